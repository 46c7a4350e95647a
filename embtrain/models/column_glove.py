"""GloVe whose rows are split among processes by column, with AdaGrad's sums of these columns.

As with :mod:`embtrain.models.columns`, all processes go through the same cells in the same order, and scores alone go
over the wire. What is split is a row of :mod:`embtrain.kernels.glove` as a checkpoint has it: the vector, its bias, the
1 that meets the other row's bias, and the padding. So the summed scalar products have the biases in them, and no
process treats its columns unlike others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from embtrain.columns import Columns
from embtrain.config import GloveSettings
from embtrain.data.strata import Strata
from embtrain.data.tiles import CellBlock
from embtrain.data.vocabulary import Vocabulary
from embtrain.errors import ConfigError
from embtrain.kernels.column_glove import Cells, count_most, deal_cells
from embtrain.models.column_model import ColumnModel
from embtrain.models.glove import offsets_of
from embtrain.models.glove_rows import by_id, divergence, parts_of_vectors
from embtrain.models.protocol import Tally
from embtrain.models.threads import cut_into_spans, in_order

SPAN_CELLS = 1 << 20
"""Cells that are dealt out to batches together: those of so many tiles that in each batch a row has few."""

MOST_CELLS = 1 << 15
"""Cells that are scored together at most, and no more than the vocabulary has words. Each batch costs the time in which
a message goes round; but the more cells, the older the scores by which rows move."""

MOST_RATE = 1.6
"""What the learning rates of a row's cells in a batch add up to at most, about: 32 cells at the default of 0.05.

All its steps follow from errors that none of them has changed yet. 5 does no harm, 10 diverges (docs/decisions/0013).
"""


class DealtOut(NamedTuple):
    """A span of cells in its batches."""

    cells: Cells
    rate: float
    """The learning rate."""


class CellCompute(Protocol):
    """The columns of one process, where they are computed with: on CPU threads, or on a GPU."""

    def run(self, cells: Cells, rate: float) -> tuple[float, int]:
        """Go through a span batch by batch: score, add up over the processes, and move.

        All processes must call it together, with the same cells.

        Args:
            cells: of the span.
            rate: the learning rate; with 0 nothing moves.

        Returns:
            The cost, and the number of a cell whose error is not finite, or -1. Such a one ends the span.
        """

    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the columns of both matrices, ``words`` and ``contexts``: numbers, and sums. Shape ``(V, 2, C)``."""

    def load_state(self, state: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Copy them in."""


class ColumnGlove(ColumnModel[CellBlock, CellCompute]):
    """The columns of one process, and the cells that all of them go through.

    Args:
        settings: of the model.
        vocabulary: its tokens name a cell that cannot be trained on.
        strata: where the rows of its tokens lie.
        columns: those of this process.
        compute: what holds them.
        lays_out_ahead: whether a thread beside those of ``compute`` deals out the cells of the next span meanwhile.
    """

    def __init__(
        self,
        settings: GloveSettings,
        vocabulary: Vocabulary,
        strata: Strata,
        columns: Columns,
        compute: CellCompute,
        *,
        lays_out_ahead: bool,
    ) -> None:
        super().__init__(columns, compute, lays_out_ahead=lays_out_ahead)
        self._settings, self._strata = settings, strata
        self._tokens = vocabulary.tokens
        self._counts = np.zeros((2, len(vocabulary)), np.int32)

    def train(self, block: CellBlock, learning_rate: Callable[[int], float], seed: int) -> Iterator[Tally]:  # noqa: ARG002 - nothing is drawn
        """Train on a block; see :class:`embtrain.models.protocol.Model`. All processes must, on the same one.

        Raises:
            ConfigError: if a cell of it would make a NaN.
        """
        offsets = offsets_of(block)
        spans = cut_into_spans(offsets, SPAN_CELLS)

        def deal_out(span: tuple[int, int]) -> DealtOut:
            return self._deal_out(block, span, learning_rate(int(offsets[span[0]])))

        with closing(in_order(self._layout, deal_out, spans, ahead=self._ahead)) as dealt_out:
            for cells, rate in dealt_out:
                cost, bad = self._compute.run(cells, rate)
                if bad >= 0:
                    raise self._divergence(cells, bad)
                yield Tally(len(cells.words), len(cells.words), cost)

    def vectors(self) -> npt.NDArray[np.float32]:
        """Return the vectors that the settings ask for, in the first process; in each other no more than its columns.

        All processes must call it together. Shape ``(V, dim)``, or ``(V, 2 dim)`` for both.
        """
        words, contexts = (rows[:, 0] for rows in self._compute.state().values())
        parts = [self._columns.whole(part) for part in parts_of_vectors(words, contexts, self._settings)]
        return by_id(parts, self._strata, self._settings.dim) if self._columns.group.is_first else parts[0]

    def _deal_out(self, block: CellBlock, span: tuple[int, int], rate: float) -> DealtOut:
        """Deal the cells of a span out to as few batches as may be."""
        segments, batch_cells = block.piece.segments, min(MOST_CELLS, len(self._tokens))
        num_cells = int(np.diff(segments[slice(*span), :2]).sum())
        of_a_row = count_most(segments, *span, block.places, *self._counts)
        num_batches = max(-(-num_cells // batch_cells), math.ceil(of_a_row * rate / MOST_RATE))
        cells = Cells.allocate(num_cells, min(num_batches, num_cells))
        deal_cells(segments, *span, block.places, block.log_counts, cells)
        return DealtOut(cells, rate)

    def _divergence(self, cells: Cells, bad: int) -> ConfigError:
        """Return the error that says which cell has no finite error of its own."""
        ids = (self._strata.ids[places[bad]] for places in (cells.words, cells.contexts))
        word, context = (self._tokens[token_id] for token_id in ids)
        return divergence(word, context, float(cells.log_counts[bad]), self._settings)

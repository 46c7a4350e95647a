"""GloVe on CPU threads that share their rows (Hogwild), and on several processes that share none."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import numpy as np
import numpy.typing as npt

from embtrain.config import GloveSettings
from embtrain.data.strata import Strata
from embtrain.data.tiles import CellBlock
from embtrain.data.vocabulary import Vocabulary
from embtrain.distributed import Group
from embtrain.errors import ConfigError
from embtrain.kernels.glove import train_glove
from embtrain.kernels.lanes import LANES
from embtrain.kernels.scratch import aligned_rows
from embtrain.models.glove_rows import divergence, exchange_strata, starting_rows, vectors_of
from embtrain.models.protocol import Merger, Tally
from embtrain.models.threads import cut_into_spans, in_threads

SPAN_CELLS = 200_000
"""Cells of one call of the kernel: some milliseconds, so that Ctrl-C and the progress bar follow."""


class Glove:
    """The rows of words and of contexts, each with its bias and AdaGrad's sums, and the kernel that trains them.

    Args:
        settings: of the model.
        vocabulary: its tokens name a cell that cannot be trained on.
        strata: where the rows of its tokens lie.
        threads: that train at the same time.
        seed: of the starting vectors.
    """

    def __init__(
        self, settings: GloveSettings, vocabulary: Vocabulary, strata: Strata, *, threads: int, seed: int
    ) -> None:
        self._settings, self._strata = settings, strata
        self._tokens = vocabulary.tokens
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="train")
        self._factors: SimpleQueue[npt.NDArray[np.float32]] = SimpleQueue()
        for _ in range(threads):
            self._factors.put(aligned_rows(1, LANES)[0])
        self.word_rows, self.context_rows = starting_rows(len(vocabulary), settings.dim, seed)
        self._shift = 0

    def train(self, block: CellBlock, learning_rate: Callable[[int], float], seed: int) -> Iterator[Tally]:  # noqa: ARG002 - nothing is drawn
        """Train on a block; see :class:`embtrain.models.protocol.Model`."""
        self._shift = block.piece.shift
        offsets = offsets_of(block)

        def train_span(first: int, last: int) -> Tally:
            return self._run(block, (first, last), learning_rate(int(offsets[first])))

        yield from in_threads(self._pool, train_span, cut_into_spans(offsets, SPAN_CELLS))

    def loss(self, block: CellBlock, seed: int) -> Tally:  # noqa: ARG002 - nothing is drawn
        """Measure the cost of a block's cells with the rows as they are."""
        return self._run(block, (0, len(block.piece.segments)), 0.0)

    def merger(self, group: Group, words: float) -> Merger:  # noqa: ARG002 - after each round
        """Return what gives every process the rows that another one has trained: no two have trained the same."""

        def exchange(items: Sequence[float], *, settle: bool) -> None:  # noqa: ARG001 - all of it
            if not settle:  # since the last round all have had the same
                exchange_strata(self.word_rows, self.context_rows, self._strata, self._shift, group)

        return exchange

    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return both sets of rows, AdaGrad's sums with them. Shape ``(V, 2 S)``, S being dim + 2 rounded up to 16."""
        return {"words": self.word_rows, "contexts": self.context_rows}

    def load_state(self, state: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Copy both sets of rows in."""
        for name, rows in self.state().items():
            rows[:] = state[name]

    def vectors(self) -> npt.NDArray[np.float32]:
        """Return the vectors that the settings ask for. Shape ``(V, dim)``, or ``(V, 2 dim)`` for both."""
        return vectors_of(self.word_rows, self.context_rows, self._strata, self._settings)

    def _run(self, block: CellBlock, span: tuple[int, int], rate: float) -> Tally:
        settings, segments = self._settings, block.piece.segments
        factors = self._factors.get()
        try:
            cost, bad = train_glove(
                self.word_rows,
                self.context_rows,
                segments,
                *span,
                block.places,
                block.log_counts,
                np.float32(math.log(settings.x_max)),
                np.float32(settings.exponent),
                np.float32(rate),
                factors,
            )
        finally:
            self._factors.put(factors)
        if bad >= 0:
            raise self._divergence(block, int(bad))
        cells = int((segments[span[0] : span[1], 1] - segments[span[0] : span[1], 0]).sum())
        return Tally(cells, cells, cost)

    def _divergence(self, block: CellBlock, cell: int) -> ConfigError:
        """Return the error that says which cell has no finite error of its own."""
        segments, place = block.piece.segments, int(block.places[cell])
        (found,) = np.flatnonzero((segments[:, 0] <= cell) & (cell < segments[:, 1]))
        rows = (segments[found, 2] + (place & 0xFFFF), segments[found, 3] + (place >> 16))
        word, context = (self._tokens[self._strata.ids[row]] for row in rows)
        return divergence(word, context, block.log_counts[cell], self._settings)


def offsets_of(block: CellBlock) -> npt.NDArray[np.int64]:
    """Return the cells of the block that come before each segment, and their number."""
    sizes = block.piece.segments[:, 1] - block.piece.segments[:, 0]
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])

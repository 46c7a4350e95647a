"""Skip-gram and CBOW whose vectors are split among processes by column (Ordentlich et al., 2016, arXiv 1606.08495).

All processes go through the same text with the same random numbers. For a batch of windows each computes the scalar
products over its own columns; they are added up, once a batch; then each moves its own columns. Scores go over the
wire, rows never do, and the result is that of one process, but for the order in which numbers are added up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from embtrain.columns import Columns
from embtrain.config import CbowSettings, SgnsSettings
from embtrain.data.sequences import Block
from embtrain.data.vocabulary import Vocabulary
from embtrain.distributed import Group
from embtrain.kernels.column_layout import Drawn, Products, lay_cbow, lay_skipgram
from embtrain.models.hogwild import SPAN_TOKENS, keep_threshold, span_seed
from embtrain.models.objectives import alias_table
from embtrain.models.protocol import Merger, Tally, alone
from embtrain.models.threads import cut_into_spans

FEWEST_WINDOWS, MOST_WINDOWS = 16, 1024
"""Windows that are scored together. Each batch costs the time in which a message goes round; but the more windows,
the older the scores by which they move."""

WORDS_PER_WINDOW = 64
"""Words that the vocabulary has for each window of a batch, between those bounds."""


class Compute(Protocol):
    """The columns of one process, where they are computed with: on CPU threads, or on a GPU."""

    def run(self, products: Products, num_batches: int, rate: float) -> float:
        """Go through a span batch by batch: score, add up over the processes, and move; return the loss in nats.

        All processes must call it together, with the same products.

        Args:
            products: of the span.
            num_batches: of them.
            rate: the learning rate; with 0 nothing moves.
        """

    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the columns of both matrices, ``input`` and ``output``. Shape ``(V, C)``."""

    def load_state(self, state: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Copy them in."""


class LaidOut(NamedTuple):
    """A span of text as the products that it asks for."""

    items: int
    products: Products
    num_batches: int
    predictions: int


class ColumnWord2Vec:
    """The columns of one process, and the text that all of them go through.

    Args:
        settings: skip-gram or CBOW, with negative sampling.
        vocabulary: its counts and probabilities decide on subsampling and negatives.
        columns: those of this process.
        compute: what holds them.
        lays_out_ahead: whether a thread beside those of ``compute`` lays out the next span meanwhile.
    """

    def __init__(
        self,
        settings: SgnsSettings | CbowSettings,
        vocabulary: Vocabulary,
        columns: Columns,
        compute: Compute,
        *,
        lays_out_ahead: bool,
    ) -> None:
        self._settings, self._columns, self._compute = settings, columns, compute
        self._keep_threshold = keep_threshold(vocabulary)
        self._alias = alias_table(vocabulary)
        self._batch_windows = batch_windows(len(vocabulary))
        self._layout = ThreadPoolExecutor(1, thread_name_prefix="layout")
        self._ahead = int(lays_out_ahead)

    def train(self, block: Block, learning_rate: Callable[[int], float], seed: int) -> Iterator[Tally]:
        """Train on a block; see :class:`embtrain.models.protocol.Model`. All processes must, on the same one."""
        yield from self._run(block, learning_rate, seed)

    def loss(self, block: Block, seed: int) -> Tally:
        """Measure the loss on a block, all processes together."""
        return sum(self._run(block, lambda _: 0.0, seed), Tally())

    def merger(self, group: Group, words: float) -> Merger:  # noqa: ARG002 - there are no copies
        """Return what does nothing: no two processes hold the same numbers."""
        return alone

    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return this process's columns of both matrices. Shape ``(V, C)``; on a GPU, copies."""
        return self._compute.state()

    def load_state(self, state: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Copy this process's columns in."""
        self._compute.load_state(state)

    def vectors(self) -> npt.NDArray[np.float32]:
        """Return the input vectors, ``(V, dim)``, in the first process, and in each other no more than its columns.

        All processes must call it together.
        """
        own = self._compute.state()["input"]
        gathered = self._columns.gathered(own, self._settings.dim)
        if not self._columns.group.is_first:
            for _ in gathered:
                pass
            return own.copy()
        whole = np.empty((len(own), self._settings.dim), np.float32)
        filled = 0
        for rows in gathered:
            whole[filled : filled + len(rows)] = rows
            filled += len(rows)
        return whole

    def _run(self, block: Block, learning_rate: Callable[[int], float], seed: int) -> Iterator[Tally]:
        """Go through a block span by span."""
        spans = cut_into_spans(block.offsets, SPAN_TOKENS)
        begun: deque[Future[LaidOut]] = deque()
        for number, (first, _) in enumerate(spans):
            while len(begun) <= self._ahead and number + len(begun) < len(spans):
                begun.append(self._layout.submit(self._lay_out, block, spans[number + len(begun)], seed))
            span = begun.popleft().result()
            loss = self._compute.run(span.products, span.num_batches, learning_rate(int(block.offsets[first])))
            yield Tally(span.items, span.predictions, loss)

    def _lay_out(self, block: Block, span: tuple[int, int], seed: int) -> LaidOut:
        """Lay out what a span asks for."""
        first, last = span
        offsets, settings = block.offsets[first : last + 1], self._settings
        if isinstance(settings, CbowSettings):
            room, lay_out = Products.for_cbow, lay_cbow
        else:
            room, lay_out = Products.for_skipgram, lay_skipgram
        lengths = np.diff(offsets)
        products = room(lengths, window=settings.window, num_negatives=settings.num_negatives)
        num_batches, predictions = lay_out(
            block.ids,
            offsets,
            self._keep_threshold,
            self._alias,
            settings.window,
            settings.dynamic_window,
            settings.num_negatives,
            span_seed(seed, first),
            self._batch_windows,
            Drawn.allocate(int(lengths.max(initial=0)), settings.num_negatives),
            products,
        )
        return LaidOut(int(offsets[-1] - offsets[0]), products, int(num_batches), int(predictions))


def batch_windows(vocab_size: int) -> int:
    """Return how many windows are scored together, before any row that they need has changed."""
    return max(FEWEST_WINDOWS, min(MOST_WINDOWS, vocab_size // WORDS_PER_WINDOW))

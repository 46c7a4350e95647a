"""Skip-gram and CBOW whose vectors are split among processes by column (Ordentlich et al., 2016, arXiv 1606.08495).

All processes go through the same text with the same random numbers. For a batch of windows each computes the scalar
products over its own columns; they are added up, once a batch; then each moves its own columns. Scores go over the
wire, rows never do, and the result is that of one process, but for the order in which numbers are added up.

Threads are to a process what processes are to the whole: each has columns of its own, and no two write the same
numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from embtrain.columns import Columns
from embtrain.config import CbowSettings, SgnsSettings
from embtrain.data.sequences import Block
from embtrain.data.vocabulary import Vocabulary
from embtrain.distributed import Group
from embtrain.kernels.column_layout import Drawn, Products, lay_cbow, lay_skipgram
from embtrain.kernels.column_products import (
    Weights,
    score_cbow,
    score_skipgram,
    update_cbow,
    update_skipgram,
    weigh_cbow,
    weigh_skipgram,
)
from embtrain.kernels.column_rows import take_gradients
from embtrain.kernels.lanes import LANES
from embtrain.kernels.scratch import aligned_rows
from embtrain.models.hogwild import SPAN_TOKENS, keep_threshold, span_seed, starting_rows
from embtrain.models.objectives import alias_table
from embtrain.models.protocol import Merger, Tally, alone
from embtrain.models.threads import cut_into_spans

Batch = tuple[int, int]
"""The first of its groups of products, and the one after the last."""

FEWEST_WINDOWS, MOST_WINDOWS = 16, 1024
"""Windows that are scored together. Each batch costs the time in which a message goes round; but the more windows,
the older the scores by which they move."""

WORDS_PER_WINDOW = 64
"""Words that the vocabulary has for each window of a batch, between those bounds."""


class ColumnWord2Vec:
    """The columns of one process, and the threads that compute with them.

    It starts as :class:`embtrain.models.word2vec.Word2Vec` does, whatever the number of processes.

    Args:
        settings: skip-gram or CBOW, with negative sampling.
        vocabulary: its counts and probabilities decide on subsampling and negatives.
        columns: those of this process.
        threads: that train at the same time, at most one for each 16 columns.
        seed: of the starting vectors.
    """

    def __init__(
        self,
        settings: SgnsSettings | CbowSettings,
        vocabulary: Vocabulary,
        columns: Columns,
        *,
        threads: int,
        seed: int,
    ) -> None:
        self._settings, self._columns = settings, columns
        self._keep_threshold = keep_threshold(vocabulary)
        self._alias = alias_table(vocabulary)
        self._batch_windows = batch_windows(len(vocabulary))
        own = slice(columns.first, columns.last)
        input_rows = starting_rows(len(vocabulary), settings.dim, seed, own)
        output_rows = aligned_rows(len(vocabulary), len(columns))
        self._state = {"input": input_rows[:, : len(columns)], "output": output_rows[:, : len(columns)]}
        chunks = input_rows.shape[1] // LANES
        threads = min(threads, chunks)
        edges = [chunks * thread // threads for thread in range(threads + 1)]
        self._slices = [
            ColumnSlice(settings, input_rows, output_rows, (first, last - first), number)
            for number, (first, last) in enumerate(pairwise(edges))
        ]
        self._weights = Weights.allocate(len(vocabulary))
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="train")
        self._loss = aligned_rows(1, 4 * LANES)[0].view(np.float64)

    def train(self, block: Block, learning_rate: Callable[[int], float], seed: int) -> Iterator[Tally]:
        """Train on a block; see :class:`embtrain.models.protocol.Model`. All processes must, on the same one."""
        for first, last in cut_into_spans(block.offsets, SPAN_TOKENS):
            yield self._run(block, (first, last), learning_rate(int(block.offsets[first])), seed)

    def loss(self, block: Block, seed: int) -> Tally:
        """Measure the loss on a block, all processes together."""
        total = Tally()
        for span in cut_into_spans(block.offsets, SPAN_TOKENS):
            total += self._run(block, span, 0.0, seed)
        return total

    def merger(self, group: Group, words: float) -> Merger:  # noqa: ARG002 - there are no copies
        """Return what does nothing: no two processes hold the same numbers."""
        return alone

    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return this process's columns of both matrices. Shape ``(V, C)``."""
        return dict(self._state)

    def load_state(self, state: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Copy this process's columns in."""
        for name, rows in self._state.items():
            rows[:] = state[name]

    def vectors(self) -> npt.NDArray[np.float32]:
        """Return the input vectors, ``(V, dim)``, in the first process, and in each other no more than its columns.

        All processes must call it together.
        """
        own = self._state["input"]
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

    def _run(self, block: Block, span: tuple[int, int], rate: float, seed: int) -> Tally:
        """Go through a span batch by batch: score, add up over threads and processes, move."""
        first, last = span
        offsets = block.offsets[first : last + 1]
        products, num_batches, predictions = self._lay_out(block.ids, offsets, span_seed(seed, first))
        loss = 0.0
        for batch in pairwise(products.batches[: num_batches + 1].tolist()):
            begin, end = (int(products.offsets[group]) for group in batch)
            scores = self._scores(products, batch, end - begin)
            loss += take_gradients(scores, products.labels[begin:end], np.float32(rate), self._loss)
            if rate:
                self._move(products, batch, scores, np.float32(rate))
        return Tally(int(offsets[-1] - offsets[0]), int(predictions), float(loss))

    def _lay_out(
        self, ids: npt.NDArray[np.int32], offsets: npt.NDArray[np.int64], seed: np.uint64
    ) -> tuple[Products, int, int]:
        """Return the products of a span, and the numbers of its batches and predictions."""
        settings = self._settings
        if isinstance(settings, CbowSettings):
            room, lay_out = Products.for_cbow, lay_cbow
        else:
            room, lay_out = Products.for_skipgram, lay_skipgram
        lengths = np.diff(offsets)
        products = room(lengths, window=settings.window, num_negatives=settings.num_negatives)
        num_batches, predictions = lay_out(
            ids,
            offsets,
            self._keep_threshold,
            self._alias,
            settings.window,
            settings.dynamic_window,
            settings.num_negatives,
            seed,
            self._batch_windows,
            Drawn.allocate(int(lengths.max(initial=0)), settings.num_negatives),
            products,
        )
        return products, num_batches, predictions

    def _scores(self, products: Products, batch: Batch, size: int) -> npt.NDArray[np.float32]:
        """Return a batch's scalar products over the columns of all threads and processes."""
        parts = np.empty((len(self._slices), size + LANES), np.float32)
        self._on_each(lambda own: own.score(products, batch, parts[own.number]))
        total = parts[0, :size]
        for part in parts[1:, :size]:
            total += part
        return self._columns.group.sum(total)

    def _move(self, products: Products, batch: Batch, gradients: npt.NDArray[np.float32], rate: np.float32) -> None:
        """Move the columns of all threads; no row by more than it bears."""
        weigh = weigh_cbow if isinstance(self._settings, CbowSettings) else weigh_skipgram
        weigh(products, batch, self._weights, np.float32(1))
        self._on_each(lambda own: own.update(products, batch, gradients, self._weights, rate))
        weigh(products, batch, self._weights, np.float32(-1))

    def _on_each(self, work: Callable[[ColumnSlice], None]) -> None:
        if len(self._slices) == 1:
            work(self._slices[0])
        else:
            list(self._pool.map(work, self._slices))


class ColumnSlice:
    """The two halves of a step on columns that one thread computes with.

    Columns on another device would need these two methods alone.

    Args:
        settings: of the model.
        input_rows, output_rows: this process's columns. Shape ``(V, S)``, S a multiple of 16.
        chunks: the first chunk of 16 columns of this thread, and how many it has.
        number: of the thread.
    """

    def __init__(
        self,
        settings: SgnsSettings | CbowSettings,
        input_rows: npt.NDArray[np.float32],
        output_rows: npt.NDArray[np.float32],
        chunks: tuple[int, int],
        number: int,
    ) -> None:
        self._gradient = settings.gradient if isinstance(settings, CbowSettings) else None
        self._rows = (input_rows, output_rows, chunks)
        self.number = number
        self._addresses = np.zeros(2 * settings.window, np.int64)
        self._spare_rows = aligned_rows(2, input_rows.shape[1])

    def score(self, products: Products, batch: Batch, scores: npt.NDArray[np.float32]) -> None:
        """Write a batch's scalar products over these columns; ``scores`` has room for 16 more."""
        if self._gradient:
            score_cbow(*self._rows, products, batch, scores, self._addresses, self._spare_rows)
        else:
            score_skipgram(*self._rows, products, batch, scores)

    def update(
        self,
        products: Products,
        batch: Batch,
        gradients: npt.NDArray[np.float32],
        weights: Weights,
        rate: np.float32,
    ) -> None:
        """Move these columns of a batch's rows."""
        arguments = (*self._rows, products, batch, gradients, weights, rate)
        if self._gradient:
            update_cbow(*arguments, self._addresses, self._spare_rows, self._gradient == "corrected")
        else:
            update_skipgram(*arguments)


def batch_windows(vocab_size: int) -> int:
    """Return how many windows are scored together, before any row that they need has changed."""
    return max(FEWEST_WINDOWS, min(MOST_WINDOWS, vocab_size // WORDS_PER_WINDOW))

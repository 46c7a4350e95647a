"""Columns of vectors that CPU threads compute with: threads are to a process what processes are to the whole.

Each thread has columns of its own, and no two write the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from embtrain.columns import Columns
from embtrain.config import CbowSettings, SampledModel
from embtrain.kernels.column_layout import Products
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
from embtrain.models.columns import Batch, LaidOut, has_means, most_rate
from embtrain.models.threads import on_each, share_out


class ThreadedColumns:
    """The columns of one process, cut among threads; see :class:`embtrain.models.columns.Compute`.

    Args:
        settings: skip-gram, CBOW or FastText.
        input_rows: of words, at the start; for FastText, room for the words of a batch. Shape ``(R, S)``, S the number
            of columns rounded up to 16.
        columns: those of this process.
        vocab_size: V, the number of output rows.
        threads: that compute at the same time, at most one for each 16 columns.
    """

    def __init__(
        self,
        settings: SampledModel,
        input_rows: npt.NDArray[np.float32],
        columns: Columns,
        *,
        vocab_size: int,
        threads: int,
    ) -> None:
        self._group, self._most_rate = columns.group, most_rate(settings)
        output_rows = aligned_rows(vocab_size, len(columns))
        self._state = {"input": input_rows[:, : len(columns)], "output": output_rows[:, : len(columns)]}
        self._weigh = weigh_cbow if has_means(settings) else weigh_skipgram
        self._slices = [
            ColumnSlice(settings, input_rows, output_rows, chunks, number)
            for number, chunks in enumerate(share_out(input_rows.shape[1], threads))
        ]
        self._weights = Weights.allocate(len(input_rows), vocab_size)
        self._pool = ThreadPoolExecutor(len(self._slices), thread_name_prefix="train")
        self._loss = aligned_rows(1, 4 * LANES)[0].view(np.float64)

    def run(self, span: LaidOut, rate: float) -> float:
        """Go through a span batch by batch; see :class:`embtrain.models.columns.Compute`."""
        loss, products = 0.0, span.products
        for batch in span.batches():
            begin, end = (int(products.offsets[group]) for group in batch.groups)
            scores = self._scores(products, batch, end - begin)
            loss += take_gradients(scores, products.labels[begin:end], np.float32(rate), self._loss)
            if rate:
                self._move(products, batch, scores, np.float32(rate / self._most_rate))
        return loss

    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the columns of both matrices."""
        return dict(self._state)

    def load_state(self, state: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Copy them in."""
        for name, rows in self._state.items():
            rows[:] = state[name]

    def _scores(self, products: Products, batch: Batch, size: int) -> npt.NDArray[np.float32]:
        """Return a batch's scalar products over the columns of all threads and processes."""
        parts = np.empty((len(self._slices), size + LANES), np.float32)
        self._on_each(lambda own: own.score(products, batch.groups, parts[own.number]))
        total = parts[0, :size]
        for part in parts[1:, :size]:
            total += part
        return self._group.sum(total)

    def _move(self, products: Products, batch: Batch, gradients: npt.NDArray[np.float32], pace: np.float32) -> None:
        """Move the columns of all threads; no row by more than it bears."""
        self._weigh(products, batch.groups, self._weights, np.float32(1))
        self._on_each(lambda own: own.update(products, batch.groups, gradients, self._weights, pace))
        self._weigh(products, batch.groups, self._weights, np.float32(-1))

    def _on_each(self, work: Callable[[ColumnSlice], None]) -> None:
        on_each(self._pool, work, self._slices)


class ColumnSlice:
    """The two halves of a step on columns that one thread computes with.

    Args:
        settings: of the model.
        input_rows, output_rows: this process's columns of what products name, as in :class:`ThreadedColumns`. Shapes
            ``(R, S)`` and ``(V, S)``, S a multiple of 16.
        chunks: the first chunk of 16 columns of this thread, and how many it has.
        number: of the thread.
    """

    def __init__(
        self,
        settings: SampledModel,
        input_rows: npt.NDArray[np.float32],
        output_rows: npt.NDArray[np.float32],
        chunks: tuple[int, int],
        number: int,
    ) -> None:
        self._has_means = has_means(settings)
        self._divides = isinstance(settings, CbowSettings) and settings.gradient == "corrected"
        self._rows = (input_rows, output_rows, chunks)
        self.chunks, self.number = chunks, number
        self._addresses = np.zeros(2 * settings.window, np.int64)
        self._spare_rows = aligned_rows(2, input_rows.shape[1])

    def score(self, products: Products, groups: tuple[int, int], scores: npt.NDArray[np.float32]) -> None:
        """Write a batch's scalar products over these columns; ``scores`` has room for 16 more."""
        if self._has_means:
            score_cbow(*self._rows, products, groups, scores, self._addresses, self._spare_rows)
        else:
            score_skipgram(*self._rows, products, groups, scores)

    def update(
        self,
        products: Products,
        groups: tuple[int, int],
        gradients: npt.NDArray[np.float32],
        weights: Weights,
        pace: np.float32,
    ) -> None:
        """Move these columns of a batch's rows."""
        arguments = (*self._rows, products, groups, gradients, weights, pace)
        if self._has_means:
            update_cbow(*arguments, self._addresses, self._spare_rows, self._divides)
        else:
            update_skipgram(*arguments)

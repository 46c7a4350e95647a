"""Columns of FastText's vectors that CPU threads compute with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from embtrain.columns import Columns
from embtrain.config import FastTextSettings
from embtrain.kernels.column_layout import Products
from embtrain.kernels.column_products import Weights
from embtrain.kernels.column_words import add_up_words, give_to_rows, weigh_means, weigh_rows
from embtrain.kernels.scratch import aligned_rows
from embtrain.kernels.subword_rows import Parts
from embtrain.models.column_threads import ThreadedColumns
from embtrain.models.columns import Batch, has_means, most_batch_words


class ThreadedSubwords(ThreadedColumns):
    """The columns of one process, cut among threads: a batch moves its words, and these their rows.

    Args:
        settings: of the model.
        input_rows: of words and n-grams, at the start. Shape ``(R, S)``, S the number of columns rounded up to 16.
        columns: those of this process.
        parts: the input rows of each word.
        threads: that compute at the same time, at most one for each 16 columns.
    """

    def __init__(
        self,
        settings: FastTextSettings,
        input_rows: npt.NDArray[np.float32],
        columns: Columns,
        *,
        parts: Parts,
        threads: int,
    ) -> None:
        vocab_size = len(parts.counts)
        size = most_batch_words(settings, vocab_size)
        self._sums, self._before = (aligned_rows(size, len(columns)) for _ in range(2))
        super().__init__(settings, self._sums, columns, vocab_size=vocab_size, threads=threads)
        self._state["input"] = input_rows[:, : len(columns)]
        self._input_rows, self._parts, self._averaged = input_rows, parts, not has_means(settings)
        self._of_rows, self._of_means = (np.zeros(length, np.float32) for length in (len(input_rows), size))
        most_parts = int(parts.counts.max(initial=2))
        self._addresses = [np.zeros(most_parts, np.int64) for _ in self._slices]

    def _scores(self, products: Products, batch: Batch, size: int) -> npt.NDArray[np.float32]:
        """Add up the rows of a batch's words, and return its scalar products."""
        rest = (batch.words, self._parts, self._averaged, self._sums, self._before)
        self._on_each(lambda own: add_up_words(self._input_rows, own.chunks, *rest, self._addresses[own.number]))
        return super()._scores(products, batch, size)

    def _move(self, products: Products, batch: Batch, gradients: npt.NDArray[np.float32], pace: np.float32) -> None:
        """Move the words of a batch, then their rows: none by more than it bears."""
        of_words, of_output = self._weights
        words, parts, of_rows, of_means = batch.words, self._parts, self._of_rows, self._of_means
        self._weigh(products, batch.groups, self._weights, np.float32(1))
        weigh_rows(words, parts, of_words, of_rows, np.float32(1))
        weigh_means(words, parts, of_rows, pace, of_means)
        weights = Weights(of_means, of_output)
        self._on_each(lambda own: own.update(products, batch.groups, gradients, weights, pace))
        rest = (words, parts, self._sums, self._before, of_rows, of_means, pace)
        self._on_each(lambda own: give_to_rows(self._input_rows, own.chunks, *rest, self._addresses[own.number]))
        weigh_rows(words, parts, of_words, of_rows, np.float32(-1))
        self._weigh(products, batch.groups, self._weights, np.float32(-1))

"""GloVe on some columns of every row: cells in batches, which are scored first, and once all is added up, followed.

Rows, equations and bounds are those of :mod:`embtrain.kernels.glove`: there one cell is done before the next one is
begun. Here w . c + b_w + b_c is the sum over the columns of all processes, biases being columns like others, and is
taken for a whole batch before any of its rows moves. Then rows move cell after cell, each as the one before has left
it, and AdaGrad's sums with them. A number's step needs the cell's error, and of the same column the other row's number:
whoever holds the column needs nothing else.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from embtrain.kernels.compilation import inlined, kernel
from embtrain.kernels.glove import BATCH, scalar_product, step_both, weigh
from embtrain.kernels.lanes import LANES
from embtrain.kernels.rows import prefetch, row_of

AHEAD = 8
"""Cells between asking for a row and needing it."""


class Cells(NamedTuple):
    """Cells in batches: batch b has those from ``batches[b]`` to ``batches[b + 1] - 1``. A tuple, as numba likes it."""

    words: npt.NDArray[np.int32]
    """Of each cell, the place of its word's row."""
    contexts: npt.NDArray[np.int32]
    log_counts: npt.NDArray[np.float32]
    """Log x of each cell, and 16 more."""
    batches: npt.NDArray[np.int64]

    @classmethod
    def allocate(cls, num_cells: int, num_batches: int) -> Cells:
        """Make room for so many cells, in so many batches, whose sizes differ by one at most."""
        edges = np.arange(num_batches + 1, dtype=np.int64)
        least, larger = divmod(num_cells, num_batches)
        words, contexts = (np.empty(num_cells, np.int32) for _ in range(2))
        return cls(words, contexts, np.zeros(num_cells + LANES, np.float32), edges * least + np.minimum(edges, larger))


@kernel
def count_most(segments, first, last, places, of_words, of_contexts):
    """Return how many of the cells of some segments the row has that has most.

    Args:
        segments, places: as for :func:`embtrain.kernels.glove.train_glove`.
        first, last: the segments to count in.
        of_words, of_contexts: scratch, zeros before and after. Shape ``(V,)``, int32.
    """
    most = 0
    for step in (1, 0):  # the second time all are 0 again
        for index in range(first, last):
            start, end, word, context = segments[index]
            for cell in range(start, end):
                w, c = word + np.int64(places[cell] & 0xFFFF), context + np.int64(places[cell] >> 16)
                of_words[w], of_contexts[c] = step * (of_words[w] + 1), step * (of_contexts[c] + 1)
                most = max(most, of_words[w], of_contexts[c])
    return most


@kernel
def deal_cells(segments, first, last, places, log_counts, cells):
    """Deal the cells of some segments out to batches, one to each in turn.

    In a segment a row has hundreds of cells: those of a frequent word with any rare ones. The batches share them.

    Args:
        segments, places, log_counts: as for :func:`embtrain.kernels.glove.train_glove`.
        first, last: the segments to deal out.
        cells: written; of just so many.
    """
    words, contexts, logs, batches = cells
    batch, turn = 0, 0
    for index in range(first, last):
        start, end, word, context = segments[index]
        for cell in range(start, end):
            place = batches[batch] + turn
            words[place] = word + np.int64(places[cell] & 0xFFFF)
            contexts[place] = context + np.int64(places[cell] >> 16)
            logs[place] = log_counts[cell]
            batch += 1
            if batch == batches.size - 1:
                batch, turn = 0, turn + 1


@kernel
def score_cells(word_rows, context_rows, columns, cells, begin, end, scores):
    """Write the scalar products of the rows of a batch over some columns.

    Args:
        word_rows, context_rows: read. Shape ``(V, 2 S)``, float32, S a multiple of 16, 64-byte aligned: numbers, and
            AdaGrad's sums behind them.
        columns: the first chunk of 16 columns to work on, and the number of them.
        cells: of a span.
        begin, end: its batch.
        scores: written. Shape ``(end - begin,)``, float32.
    """
    row_bytes, skip = np.int64(word_rows.shape[1] * 4), np.int64(columns[0] * 64)
    chunks = np.int64(columns[1])
    words, contexts = word_rows.ctypes.data + skip, context_rows.ctypes.data + skip
    for cell in range(begin, end):
        if cell + AHEAD < end:
            prefetch(row_of(words, cells.words[cell + AHEAD], row_bytes), chunks)
            prefetch(row_of(contexts, cells.contexts[cell + AHEAD], row_bytes), chunks)
        word_row = row_of(words, cells.words[cell], row_bytes)
        scores[cell - begin] = scalar_product(word_row, row_of(contexts, cells.contexts[cell], row_bytes), chunks)


@kernel
def take_errors(scores, cells, begin, log_x_max, exponent, factors):
    """Turn the scores of a batch into f(x) diff, in place.

    Args:
        scores: summed over all columns. Shape ``(B,)``, float32.
        cells: of a span.
        begin: its first cell that is of the batch.
        log_x_max, exponent, factors: as for :func:`embtrain.kernels.glove.train_glove`.

    Returns:
        The cost, summed in float64, and the number of a cell whose error is not finite, or -1.
    """
    cost, bad = 0.0, -1
    for i in range(scores.size):
        cell = begin + i
        if i & (BATCH - 1) == 0:
            weigh(cells.log_counts.ctypes.data + cell * 4, factors.ctypes.data, log_x_max, exponent)
        diff = scores[i] - cells.log_counts[cell]
        scores[i] = factors[i & (BATCH - 1)] * diff
        if bad < 0 and not np.isfinite(scores[i]):
            bad = cell
        cost += 0.5 * np.float64(scores[i]) * np.float64(diff)
    return cost, bad


@inlined
def prefetch_with_sums(row, sums_from, chunks):
    """Prefetch columns of a row, and AdaGrad's sums of them."""
    prefetch(row, chunks)
    prefetch(row + sums_from, chunks)


@kernel
def update_cells(word_rows, context_rows, columns, cells, begin, end, errors, rate):
    """Move the rows of a batch, cell after cell.

    Args:
        word_rows, context_rows: written, in the columns named.
        columns, cells, begin, end: as for :func:`score_cells`.
        errors: of the batch, from :func:`take_errors`.
        rate: the learning rate, float32.
    """
    row_bytes, skip = np.int64(word_rows.shape[1] * 4), np.int64(columns[0] * 64)
    chunks, sums_from = np.int64(columns[1]), row_bytes // 2
    words, contexts = word_rows.ctypes.data + skip, context_rows.ctypes.data + skip
    for cell in range(begin, end):
        if cell + AHEAD < end:
            prefetch_with_sums(row_of(words, cells.words[cell + AHEAD], row_bytes), sums_from, chunks)
            prefetch_with_sums(row_of(contexts, cells.contexts[cell + AHEAD], row_bytes), sums_from, chunks)
        word_row = row_of(words, cells.words[cell], row_bytes)
        context_row = row_of(contexts, cells.contexts[cell], row_bytes)
        step_both(word_row, context_row, errors[cell - begin], rate, chunks, sums_from)

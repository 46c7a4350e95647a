"""Continuous bag of words with negative sampling over a span of text, in place.

The mean of the context rows predicts the center. As with skip-gram negatives serve two windows, and the
rows of the next window are prefetched; the context rows are summed, and stepped, in one pass each.
"""

from __future__ import annotations

import numpy as np

from embtrain.kernels.compilation import inlined, kernel
from embtrain.kernels.prediction import TARGETS, predict_to_step
from embtrain.kernels.rows import add_to_rows, sum_rows
from embtrain.kernels.sampling import draw_negatives, start_random, subsample
from embtrain.kernels.scratch import MEAN, SPARE, STEP
from embtrain.kernels.windows import (
    fresh_negatives,
    lay_rates,
    lay_targets,
    lay_window,
    prefetch_first,
    prefetch_next,
    six_targets,
)


@inlined
def predict_from_mean(contexts, count, divide, targets, labels, rates, spare_rows, chunks, loss):
    """Take one step with the mean of ``count`` context rows and all targets.

    With ``divide`` each context row gets 1/count of the mean's step, which is the gradient; else the whole.
    """
    mean, step = spare_rows[MEAN].ctypes.data, spare_rows[STEP].ctypes.data
    share = np.float32(1) / np.float32(count)
    factor = share if divide else np.float32(1)
    sum_rows(mean, contexts.ctypes.data, np.int64(count), share, chunks)
    for block in range(targets.size // TARGETS):
        y, rate = labels[block].ctypes.data, rates[block].ctypes.data
        predict_to_step((mean,), six_targets(targets, block), y, rate, chunks, loss, (step,))
        add_to_rows(step, contexts.ctypes.data, np.int64(count), factor, chunks)


@kernel
def train_cbow(
    input_rows,
    output_rows,
    ids,
    offsets,
    keep_threshold,
    alias,
    window,
    dynamic_window,
    num_negatives,
    learning_rate,
    seed,
    scratch,
    divide_gradient,
):
    """Train on the sequences of a span; return the number of centers with a context and their summed loss.

    Args:
        input_rows, output_rows, ids, offsets, keep_threshold, alias, window,
        dynamic_window, num_negatives, learning_rate, seed, scratch: as for
            :func:`embtrain.kernels.skipgram.train_skipgram`.
        divide_gradient: whether a context row's step is divided by their number, the gradient of the mean
            (Irsoy et al., 2020, arXiv 2012.15332), or not, as in word2vec.c and gensim.

    Returns:
        Predictions made, and their loss in nats.
    """
    spare_rows, loss, labels, rates, targets, contexts, kept, drawn = scratch
    row_bytes, chunks = np.int64(input_rows.shape[1] * 4), np.int64(input_rows.shape[1] // 16)
    rows_in, rows_out, spare = input_rows.ctypes.data, output_rows.ctypes.data, spare_rows[SPARE].ctypes.data
    loss[:] = 0.0
    lay_rates(rates, num_negatives, learning_rate)
    fresh = fresh_negatives(num_negatives)
    predictions = 0
    state = start_random(seed)
    for sequence in range(offsets.size - 1):
        count, state = subsample(ids, offsets[sequence], offsets[sequence + 1], keep_threshold, state, kept)
        state = draw_negatives(drawn, count * fresh + num_negatives, alias, state)
        prefetch_first(kept, count, window, drawn, num_negatives, rows_in, rows_out, row_bytes, chunks)
        for position in range(count):
            prefetch_next(
                kept, count, position, window, drawn, num_negatives, fresh, rows_in, rows_out, row_bytes, chunks
            )
            num_contexts, state = lay_window(
                kept, count, position, window, dynamic_window, state, rows_in, row_bytes, contexts
            )
            if num_contexts == 0:
                continue
            special = lay_targets(
                kept, position, drawn, num_negatives, fresh, rows_out, row_bytes, spare, targets, rates
            )
            predict_from_mean(
                contexts,
                num_contexts,
                divide_gradient,
                targets,
                labels,
                rates[special],
                spare_rows,
                chunks,
                loss.ctypes.data,
            )
            predictions += 1
    return predictions, loss.sum()

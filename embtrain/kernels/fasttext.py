"""FastText's skip-gram and CBOW with negative sampling over a span of text, in place.

A word's vector is the mean of its own row and those of its n-grams (Bojanowski et al., 2017, section 3.2, where it is
their sum; the mean, and the steps, are those of Facebook's program). All else is as for words without n-grams:
:mod:`embtrain.kernels.skipgram` and :mod:`embtrain.kernels.cbow`.
"""

from __future__ import annotations

import numpy as np

from embtrain.kernels.compilation import inlined, kernel
from embtrain.kernels.prediction import TARGETS, predict_to_step
from embtrain.kernels.rows import add_to_rows, sum_rows
from embtrain.kernels.sampling import draw_negatives, start_random, subsample
from embtrain.kernels.scratch import MEAN, SPARE, STEP
from embtrain.kernels.skipgram import predict_all
from embtrain.kernels.subword_rows import enter, leave, prefetch_parts
from embtrain.kernels.windows import (
    lay_rates,
    lay_targets,
    lay_window,
    prefetch_first_targets,
    prefetch_next_targets,
    six_targets,
)


@inlined
def predict_from_sums(contexts, count, targets, labels, rates, chunks, scratch):
    """Take one step with the mean of all rows that ``count`` sums are of, and all targets.

    Each of these rows gets the whole step, as in fastText's Model::update, so that a sum moves by as many steps as it
    has rows.
    """
    mean, step = scratch.windows.rows[MEAN].ctypes.data, scratch.windows.rows[STEP].ctypes.data
    sums, row_bytes = scratch.sums.ctypes.data, chunks * 64
    num_rows = np.int64(0)
    for k in range(count):
        num_rows += scratch.sizes[(contexts[k] - sums) // row_bytes]
    sum_rows(mean, contexts.ctypes.data, np.int64(count), np.float32(1) / np.float32(num_rows), chunks)
    for block in range(targets.size // TARGETS):
        y, rate = labels[block].ctypes.data, rates[block].ctypes.data
        six, loss = six_targets(targets, block), scratch.windows.loss.ctypes.data
        predict_to_step((mean,), six, y, rate, chunks, loss, (step,))
        for k in range(count):
            size = np.float32(scratch.sizes[(contexts[k] - sums) // row_bytes])
            add_to_rows(step, contexts[k:].ctypes.data, np.int64(1), size, chunks)


@kernel
def train_fasttext(
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
    parts,
    cbow,
):
    """Train on the sequences of a span; return the number of predictions and their summed loss.

    Args:
        input_rows: of words and of n-grams, read and written. Shape ``(R, S)``, else like output_rows.
        output_rows, ids, offsets, keep_threshold, alias, window, dynamic_window, num_negatives, learning_rate, seed: as
            for :func:`embtrain.kernels.skipgram.train_skipgram`.
        scratch: of this thread, from :class:`embtrain.kernels.subword_rows.SubwordScratch`.
        parts: the input rows of each word, from :class:`embtrain.kernels.subword_rows.Parts`.
        cbow: whether the mean of all rows of all context words predicts the center, so that a long word weighs more
            than a short one, as in Facebook's program; or each context word, which is skip-gram.

    Returns:
        Pairs, or with ``cbow`` centers that have a context, and their loss in nats.
    """
    spare_rows, loss, labels, rates, targets, contexts, kept, drawn = scratch.windows
    row_bytes, chunks = np.int64(input_rows.shape[1] * 4), np.int64(input_rows.shape[1] // 16)
    rows_in, rows_out, spare = input_rows.ctypes.data, output_rows.ctypes.data, spare_rows[SPARE].ctypes.data
    sums, averaged, fresh = scratch.sums.ctypes.data, not cbow, num_negatives
    loss[:] = 0.0
    lay_rates(rates, num_negatives, learning_rate)
    predictions = np.int64(0)
    state = start_random(seed)
    for sequence in range(offsets.size - 1):
        count, state = subsample(ids, offsets[sequence], offsets[sequence + 1], keep_threshold, state, kept)
        state = draw_negatives(drawn, count * num_negatives, alias, state)
        prefetch_parts(kept, count, 0, parts, rows_in, row_bytes, chunks)
        prefetch_first_targets(drawn, num_negatives, rows_out, row_bytes, chunks)
        for position in range(-window, count + window):
            entering, leaving = position + window, position - window
            if entering < count:
                prefetch_parts(kept, count, entering + 1, parts, rows_in, row_bytes, chunks)
                enter(kept, entering, parts, rows_in, row_bytes, chunks, averaged, scratch)
            if 0 <= position < count:
                prefetch_next_targets(kept, count, position, drawn, num_negatives, fresh, rows_out, row_bytes, chunks)
                num_contexts, state = lay_window(
                    scratch.slots, count, position, window, dynamic_window, state, sums, row_bytes, contexts
                )
                special = lay_targets(
                    kept, position, drawn, num_negatives, fresh, rows_out, row_bytes, spare, targets, rates
                )
                if averaged:
                    predict_all(contexts, num_contexts, targets, labels, rates[special], chunks, loss.ctypes.data)
                    predictions += num_contexts
                elif num_contexts > 0:
                    predict_from_sums(contexts, num_contexts, targets, labels, rates[special], chunks, scratch)
                    predictions += 1
            if 0 <= leaving < count:
                leave(kept, leaving, parts, rows_in, row_bytes, chunks, averaged, scratch)
    return predictions, loss.sum()

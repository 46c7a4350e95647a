"""Skip-gram with negative sampling over a span of text, in place.

Differences from word2vec.c that cost no quality and make it an order of magnitude faster
(benchmarks/bench_sgns.py): the negatives are drawn once per window, not per pair, and serve two windows; up to 4
pairs of a window are one step; the rows of the next window are prefetched while this one is computed.
"""

from __future__ import annotations

import numpy as np

from embtrain.kernels.compilation import inlined, kernel
from embtrain.kernels.prediction import TARGETS, predict_1, predict_2, predict_4
from embtrain.kernels.sampling import draw_negatives, start_random, subsample
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
def predict_six(contexts, count, six, labels, rates, chunks, loss):
    """Take one step with every pair of ``count`` context rows and six targets; labels and rates are addresses."""
    j = 0
    while count - j >= 4:  # noqa: PLR2004 - as many as predict_4 takes
        four = (contexts[j], contexts[j + 1], contexts[j + 2], contexts[j + 3])
        predict_4(four, six, labels, rates, chunks, loss, (0,))
        j += 4
    if count - j >= 2:  # noqa: PLR2004 - as many as predict_2 takes
        predict_2((contexts[j], contexts[j + 1]), six, labels, rates, chunks, loss, (0,))
        j += 2
    if count > j:
        predict_1((contexts[j],), six, labels, rates, chunks, loss, (0,))


@inlined
def predict_all(contexts, count, targets, labels, rates, chunks, loss):
    """Take one step with every pair of ``count`` context rows and all targets."""
    for block in range(targets.size // TARGETS):
        y, rate = labels[block].ctypes.data, rates[block].ctypes.data
        predict_six(contexts, count, six_targets(targets, block), y, rate, chunks, loss)


@kernel
def train_skipgram(
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
):
    """Train on the sequences of a span; return the number of (center, context) pairs and their summed loss.

    As in word2vec.c the input row of each context word predicts the center's output row.

    Args:
        input_rows, output_rows: read and written. Shape ``(V, S)``, float32, S a multiple of 16, 64-byte
            aligned. Other threads may be writing them (Hogwild).
        ids: token ids, each below V. Shape ``(T,)``, int32.
        offsets: sequence i is ids[offsets[i]:offsets[i + 1]]. Shape ``(N + 1,)``, int64.
        keep_threshold: an occurrence is kept if 32 random bits are at most this. Shape ``(V,)``, uint32.
        alias: of the negatives, from :func:`embtrain.kernels.sampling.fill_alias_table`.
        window, dynamic_window, num_negatives: as in the settings.
        learning_rate: float32. With 0 nothing changes, and the loss is that of the rows as they are.
        seed: uint64, decides on all that is drawn.
        scratch: of this thread, from :class:`embtrain.kernels.scratch.Scratch`.

    Returns:
        Pairs, and their loss in nats: -log sigmoid of the center's score and of the negatives' negated scores.
    """
    spare_rows, loss, labels, rates, targets, contexts, kept, drawn = scratch
    row_bytes, chunks = np.int64(input_rows.shape[1] * 4), np.int64(input_rows.shape[1] // 16)
    rows_in, rows_out, spare = input_rows.ctypes.data, output_rows.ctypes.data, spare_rows.ctypes.data
    loss[:] = 0.0
    lay_rates(rates, num_negatives, learning_rate)
    fresh = fresh_negatives(num_negatives)
    pairs = 0
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
            special = lay_targets(
                kept, position, drawn, num_negatives, fresh, rows_out, row_bytes, spare, targets, rates
            )
            predict_all(contexts, num_contexts, targets, labels, rates[special], chunks, loss.ctypes.data)
            pairs += num_contexts
    return pairs, loss.sum()

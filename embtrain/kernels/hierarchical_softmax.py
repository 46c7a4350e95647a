"""Skip-gram and CBOW with hierarchical softmax over a span of text, in place.

A word is predicted by the decisions on its path through Huffman's tree (Morin and Bengio, 2005; Rong, 2014,
section 3.1), each a row of the output matrix. With h the row that predicts, the probability of the decision
0 at node n is sigmoid(h . o_n), and that of a word the product over its path: over all words it sums to 1.

So a path takes the place of a window's center and its negatives, and the inner step is that of negative sampling,
six nodes at a time. As there, up to 4 pairs are one step, and the rows of the next window are prefetched.
Unlike word2vec.c, which leaves decisions out whose score is beyond 6, every decision has its step.
"""

from __future__ import annotations

import numpy as np

from embtrain.kernels.compilation import inlined, kernel
from embtrain.kernels.prediction import SLOTS, TARGETS, predict_to_step
from embtrain.kernels.rows import add_to_rows, prefetch, sum_rows
from embtrain.kernels.sampling import start_random, subsample
from embtrain.kernels.scratch import MEAN, SPARE, STEP
from embtrain.kernels.skipgram import predict_six
from embtrain.kernels.windows import (
    ABSENT,
    lay_window,
    prefetch_first_contexts,
    prefetch_next_context,
    six_targets,
)


@inlined
def lay_path_rates(rates, learning_rate):
    """Write ``rates[n]``, those of six slots of which the first n hold a node, for two predicting rows."""
    for held in range(rates.shape[0]):
        for k in range(TARGETS):
            its_rate = learning_rate if k < held else ABSENT
            rates[held, k] = its_rate
            rates[held, SLOTS + k] = its_rate


@inlined
def prefetch_path(kept, position, count, tree, rows_out, row_bytes, chunks):
    """Ask for the rows of the path of the word at ``position``, where there is one."""
    if position < count:
        for k in range(tree.offsets[kept[position]], tree.offsets[kept[position] + 1]):
            prefetch(rows_out + np.int64(tree.steps[k] >> 1) * row_bytes, chunks)


@inlined
def lay_path(word, tree, rows_out, row_bytes, spare, targets, codes):
    """Write the addresses of a path's rows, and its codes as six bits per block; return its length.

    The slots left over in the last block hold the row ``spare``.
    """
    first = tree.offsets[word]
    length = tree.offsets[word + 1] - first
    for block in range((length + TARGETS - 1) // TARGETS):
        bits = np.int64(0)
        for k in range(TARGETS):
            at = block * TARGETS + k
            if at < length:
                step = np.int64(tree.steps[first + at])
                targets[at] = rows_out + (step >> 1) * row_bytes
                bits |= (step & 1) << k
            else:
                targets[at] = spare
        codes[block] = bits
    return length


@inlined
def predict_path(contexts, count, length, scratch, chunks):
    """Take one step with every pair of ``count`` context rows and the nodes of a path."""
    for block in range((length + TARGETS - 1) // TARGETS):
        y = scratch.labels[scratch.codes[block]].ctypes.data
        rate = scratch.rates[min(TARGETS, length - block * TARGETS)].ctypes.data
        predict_six(contexts, count, six_targets(scratch.targets, block), y, rate, chunks, scratch.loss.ctypes.data)


@inlined
def predict_path_from_mean(contexts, count, divide, length, scratch, chunks):
    """Take one step with the mean of ``count`` context rows and the nodes of a path.

    The steps of all blocks are added up first, so that the context rows are changed once. With ``divide`` each
    gets 1/count of the mean's step, which is the gradient; else the whole.
    """
    mean, step = scratch.rows[MEAN].ctypes.data, scratch.rows[STEP].ctypes.data
    share = np.float32(1) / np.float32(count)
    sum_rows(mean, contexts.ctypes.data, np.int64(count), share, chunks)
    blocks = (length + TARGETS - 1) // TARGETS
    for block in range(blocks):
        y = scratch.labels[scratch.codes[block]].ctypes.data
        rate = scratch.rates[min(TARGETS, length - block * TARGETS)].ctypes.data
        six = six_targets(scratch.targets, block)
        predict_to_step((mean,), six, y, rate, chunks, scratch.loss.ctypes.data, (scratch.steps[block],))
    sum_rows(step, scratch.steps.ctypes.data, np.int64(blocks), share if divide else np.float32(1), chunks)
    add_to_rows(step, contexts.ctypes.data, np.int64(count), np.float32(1), chunks)


@kernel
def train_skipgram_on_paths(
    input_rows,
    output_rows,
    ids,
    offsets,
    keep_threshold,
    tree,
    window,
    dynamic_window,
    learning_rate,
    seed,
    scratch,
):
    """Train on the sequences of a span; return the number of (center, context) pairs and their summed loss.

    As in word2vec.c the input row of each context word predicts the center's path.

    Args:
        input_rows: read and written. Shape ``(V, S)``, float32, S a multiple of 16, 64-byte aligned.
        output_rows: likewise, a row per inner node. Shape ``(V - 1, S)``.
        tree: from :func:`embtrain.kernels.huffman.build_huffman_tree`, for V words.
        scratch: of this thread, from :class:`embtrain.kernels.scratch.PathScratch`.
        ids, offsets, keep_threshold, window, dynamic_window, learning_rate,
        seed: as for :func:`embtrain.kernels.skipgram.train_skipgram`, and the same windows are drawn.

    Returns:
        Pairs, and their loss in nats: minus the logarithm of the center's probability.
    """
    contexts, kept = scratch.contexts, scratch.kept
    row_bytes, chunks = np.int64(input_rows.shape[1] * 4), np.int64(input_rows.shape[1] // 16)
    rows_in, rows_out, spare = input_rows.ctypes.data, output_rows.ctypes.data, scratch.rows[SPARE].ctypes.data
    scratch.loss[:] = 0.0
    lay_path_rates(scratch.rates, learning_rate)
    pairs = 0
    state = start_random(seed)
    for sequence in range(offsets.size - 1):
        count, state = subsample(ids, offsets[sequence], offsets[sequence + 1], keep_threshold, state, kept)
        prefetch_first_contexts(kept, count, window, rows_in, row_bytes, chunks)
        prefetch_path(kept, 0, count, tree, rows_out, row_bytes, chunks)
        for position in range(count):
            prefetch_next_context(kept, count, position, window, rows_in, row_bytes, chunks)
            prefetch_path(kept, position + 1, count, tree, rows_out, row_bytes, chunks)
            num_contexts, state = lay_window(
                kept, count, position, window, dynamic_window, state, rows_in, row_bytes, contexts
            )
            length = lay_path(kept[position], tree, rows_out, row_bytes, spare, scratch.targets, scratch.codes)
            predict_path(contexts, num_contexts, length, scratch, chunks)
            pairs += num_contexts
    return pairs, scratch.loss.sum()


@kernel
def train_cbow_on_paths(
    input_rows,
    output_rows,
    ids,
    offsets,
    keep_threshold,
    tree,
    window,
    dynamic_window,
    learning_rate,
    seed,
    scratch,
    divide_gradient,
):
    """Train on the sequences of a span; return the number of centers with a context and their summed loss.

    Args:
        input_rows, output_rows, ids, offsets, keep_threshold, tree, window, dynamic_window,
        learning_rate, seed, scratch: as for :func:`train_skipgram_on_paths`.
        divide_gradient: as for :func:`embtrain.kernels.cbow.train_cbow`.

    Returns:
        Predictions made, and their loss in nats.
    """
    contexts, kept = scratch.contexts, scratch.kept
    row_bytes, chunks = np.int64(input_rows.shape[1] * 4), np.int64(input_rows.shape[1] // 16)
    rows_in, rows_out, spare = input_rows.ctypes.data, output_rows.ctypes.data, scratch.rows[SPARE].ctypes.data
    scratch.loss[:] = 0.0
    lay_path_rates(scratch.rates, learning_rate)
    predictions = 0
    state = start_random(seed)
    for sequence in range(offsets.size - 1):
        count, state = subsample(ids, offsets[sequence], offsets[sequence + 1], keep_threshold, state, kept)
        prefetch_first_contexts(kept, count, window, rows_in, row_bytes, chunks)
        prefetch_path(kept, 0, count, tree, rows_out, row_bytes, chunks)
        for position in range(count):
            prefetch_next_context(kept, count, position, window, rows_in, row_bytes, chunks)
            prefetch_path(kept, position + 1, count, tree, rows_out, row_bytes, chunks)
            num_contexts, state = lay_window(
                kept, count, position, window, dynamic_window, state, rows_in, row_bytes, contexts
            )
            if num_contexts == 0:
                continue
            length = lay_path(kept[position], tree, rows_out, row_bytes, spare, scratch.targets, scratch.codes)
            predict_path_from_mean(contexts, num_contexts, divide_gradient, length, scratch, chunks)
            predictions += 1
    return predictions, scratch.loss.sum()

"""The words of a batch, for FastText whose vectors are split by column: each as its rows, added up.

A word of six letters has 19 rows, its own and its n-grams', and stands in dozens of a batch's products. So its rows
are added up once a batch, and what the word has learnt goes to each of them once, as in
:mod:`embtrain.kernels.subword_rows`; in between skip-gram sees their mean, and CBOW their sum, as if it were a row
(which moves by a word's step then, not by that of each of its rows). To both a word is its number in the batch, where
they have ids else.

A row is of many words, and its products are theirs: each row takes so much of their steps that its learning rates
add up to no more than :data:`MOST_SUBWORD_RATE`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from embtrain.kernels.column_products import share_of
from embtrain.kernels.compilation import kernel
from embtrain.kernels.rows import add_to_rows, sum_rows
from embtrain.kernels.subword_rows import lay_parts, prefetch_parts

MOST_SUBWORD_RATE = 4.0
"""What :data:`embtrain.kernels.column_products.MOST_RATE` is to FastText, whose rows are of many words."""


class BatchWords(NamedTuple):
    """The words that are multiplied in the batches of a span, as inputs; each is there once a batch."""

    ids: npt.NDArray[np.int32]
    """Of a batch's words, by their numbers."""
    offsets: npt.NDArray[np.int64]
    """Batch b has ids[offsets[b]:offsets[b + 1]]."""

    @classmethod
    def allocate(cls, num_inputs: int, num_batches: int) -> BatchWords:
        """Make room for what so many inputs of products can name."""
        # Memory that is not written to is not taken from the system.
        return cls(np.empty(num_inputs, np.int32), np.zeros(num_batches + 1, np.int64))


@kernel
def number_words(ids, ends, batches, num_batches, numbers, words):
    """Replace the inputs of a span's products, which are ids of words, by the words' numbers in their batch.

    Args:
        ids: rewritten; ``partners`` of skip-gram's :class:`embtrain.kernels.column_layout.Products`, and ``contexts``
            of CBOW's.
        ends: where those of each group end, and begin: their ``offsets``, or ``context_offsets``.
        batches: the first group of each.
        num_batches: of them.
        numbers: scratch, -1 for each word of the vocabulary, and so again afterwards. Shape ``(V,)``, int32.
        words: written.
    """
    of_words, word_ends = words
    end = 0
    for batch in range(num_batches):
        first = end
        for i in range(ends[batches[batch]], ends[batches[batch + 1]]):
            word = ids[i]
            if numbers[word] < 0:
                numbers[word] = end - first
                of_words[end] = word
                end += 1
            ids[i] = numbers[word]
        word_ends[batch + 1] = end
        for k in range(first, end):
            numbers[of_words[k]] = -1


@kernel
def share_among_rows(products, num_groups, parts):
    """Let the means of CBOW's windows be those of all rows of all context words, given by their ids."""
    for group in range(num_groups):
        num_rows = 0
        for c in range(products.context_offsets[group], products.context_offsets[group + 1]):
            word = products.contexts[c]
            num_rows += parts.offsets[word + 1] - parts.offsets[word]
        products.shares[group] = np.float32(1) / np.float32(num_rows)


@kernel
def weigh_rows(words, parts, of_words, of_rows, sign):
    """Add the weights of a batch's words to those of their rows, or with ``sign`` -1 take them away again.

    Args:
        words: their ids. Shape ``(W,)``.
        parts: the rows of each word, from :class:`embtrain.kernels.subword_rows.Parts`.
        of_words: how many products each has. Shape ``(W,)`` or longer, float32.
        of_rows: changed. Shape ``(R,)``, float32.
        sign: 1 or -1, float32.
    """
    for number in range(words.size):
        weight = sign * of_words[number]
        for k in range(parts.offsets[words[number]], parts.offsets[words[number] + 1]):
            of_rows[parts.rows[k]] += weight


@kernel
def weigh_means(words, parts, of_rows, pace, weights):
    """Write weights with which words take as much of their steps as their rows do in the mean.

    Args:
        words, parts, of_rows: as for :func:`weigh_rows`.
        pace: as for :func:`embtrain.kernels.column_products.update_skipgram`.
        weights: written. Shape ``(W,)`` or longer, float32.
    """
    for number in range(words.size):
        first, last = parts.offsets[words[number]], parts.offsets[words[number] + 1]
        total = np.float32(0)
        for k in range(first, last):
            total += share_of(of_rows, parts.rows[k], pace)
        weights[number] = np.float32(last - first) / (pace * total)


@kernel
def add_up_words(rows, columns, words, parts, averaged, sums, before, addresses):
    """Add up the rows of a batch's words, over some columns.

    Args:
        rows: of words and n-grams, read. Shape ``(R, S)``, float32, S a multiple of 16, 64-byte aligned.
        columns: as for :func:`embtrain.kernels.column_products.score_skipgram`.
        words, parts: as for :func:`weigh_rows`.
        averaged: whether a sum is divided by the number of its rows.
        sums: written. Shape ``(W, S)`` or longer, like rows.
        before: written: minus the sums, for :func:`give_to_rows`. As long.
        addresses: scratch for as many int64 as a word has rows.
    """
    row_bytes, skip = np.int64(rows.shape[1] * 4), np.int64(columns[0] * 64)
    chunks = np.int64(columns[1])
    rows_in = rows.ctypes.data + skip
    for number in range(words.size):
        prefetch_parts(words, words.size, number + 1, parts, rows_in, row_bytes, chunks)
        count = lay_parts(words[number], parts, rows_in, row_bytes, addresses)
        total = sums.ctypes.data + skip + number * row_bytes
        share = np.float32(1) / np.float32(count if averaged else 1)
        sum_rows(total, addresses.ctypes.data, count, share, chunks)
        addresses[0] = total
        sum_rows(
            before.ctypes.data + skip + number * row_bytes, addresses.ctypes.data, np.int64(1), np.float32(-1), chunks
        )


@kernel
def give_to_rows(rows, columns, words, parts, sums, before, of_rows, weights, pace, addresses):
    """Add what a batch's words have learnt to each of their rows, of which none moves further than it bears.

    A step of a mean goes to each row whole, as in fastText's Model::update. The words have taken the shares that
    their ``weights`` allow; each row takes its own share instead.

    Args:
        rows: changed, in the columns named. Else as for :func:`add_up_words`.
        columns, words, parts, addresses: as for :func:`add_up_words`.
        sums: as the batch has left them.
        before: from :func:`add_up_words`; used up.
        of_rows, weights, pace: as for :func:`weigh_means`.
    """
    row_bytes, skip = np.int64(rows.shape[1] * 4), np.int64(columns[0] * 64)
    chunks = np.int64(columns[1])
    rows_in = rows.ctypes.data + skip
    for number in range(words.size):
        prefetch_parts(words, words.size, number + 1, parts, rows_in, row_bytes, chunks)
        learnt = before.ctypes.data + skip + number * row_bytes
        addresses[0], addresses[1] = learnt, sums.ctypes.data + skip + number * row_bytes
        whole = np.float32(1) / share_of(weights, number, pace)
        sum_rows(learnt, addresses.ctypes.data, np.int64(2), whole, chunks)
        count = lay_parts(words[number], parts, rows_in, row_bytes, addresses)
        first = parts.offsets[words[number]]
        for k in range(count):
            share = share_of(of_rows, parts.rows[first + k], pace)
            add_to_rows(learnt, addresses[k:].ctypes.data, np.int64(1), share, chunks)

"""The two halves of a step on some columns of every vector: products first, and once they are added up, updates.

With h and o the two rows of a product, s their scalar product over the columns of all processes, and y its label of
:class:`embtrain.kernels.column_layout.Products`, 1 or -m (the equations of :mod:`embtrain.kernels.prediction`,
by the sign of the label; s is as it was when the batch began)::

    loss = |y| log(1 + exp(-sign(y) s))
    g    = rate * y * sigmoid(-sign(y) s)
    h   += g o          o += g h

Each column of the update depends on that column and on g alone: whoever holds it needs nothing else. Within a batch
rows change from product to product, scores do not. What is done is the same whatever number of
processes, and of threads in each, the columns are split among.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from embtrain.kernels.column_rows import multiply_1, multiply_2, multiply_4, pull_1, pull_2, pull_4
from embtrain.kernels.compilation import inlined, kernel
from embtrain.kernels.rows import add_to_rows, prefetch, row_of, sum_rows

AHEAD = 6
"""Groups ahead of the present one whose rows are asked for."""

MOST_RATE = 2.0
"""What the learning rates of a row's products in one batch add up to at most; beyond, each is lowered.

All steps of a batch follow from scores that none of them has changed yet: too many would carry a row past where
they pull it. Of most rows a batch has only a few products.
"""


class Weights(NamedTuple):
    """How many products each row has in a batch, those of labels -m counting m times. Zeros between batches."""

    of_input: npt.NDArray[np.float32]
    of_output: npt.NDArray[np.float32]

    @classmethod
    def allocate(cls, num_inputs: int, num_outputs: int) -> Weights:
        """Make them for so many rows."""
        return cls(np.zeros(num_inputs, np.float32), np.zeros(num_outputs, np.float32))


@inlined
def four_rows(rows, ids, first, row_bytes):
    """Return the addresses of the rows of four ids."""
    return (
        row_of(rows, ids[first], row_bytes),
        row_of(rows, ids[first + 1], row_bytes),
        row_of(rows, ids[first + 2], row_bytes),
        row_of(rows, ids[first + 3], row_bytes),
    )


@inlined
def multiply_all(common, rows, row_bytes, ids, first, last, products, chunks):
    """Write the products of one row with those of ``ids[first:last]``."""
    p = first
    while last - p >= 4:  # noqa: PLR2004 - as many as multiply_4 takes
        multiply_4(common, four_rows(rows, ids, p, row_bytes), products + (p - first) * 4, chunks)
        p += 4
    if last - p >= 2:  # noqa: PLR2004 - as many as multiply_2 takes
        two = (row_of(rows, ids[p], row_bytes), row_of(rows, ids[p + 1], row_bytes))
        multiply_2(common, two, products + (p - first) * 4, chunks)
        p += 2
    if last > p:
        multiply_1(common, (row_of(rows, ids[p], row_bytes),), products + (p - first) * 4, chunks)


@inlined
def share_of(weights, token_id, pace):
    """Return which part of its steps a row takes."""
    return np.float32(1) / max(np.float32(1), pace * weights[token_id])


@inlined
def pull_all(common, step, share, rows, row_bytes, ids, first, last, gradients, weights, pace, chunks):
    """Move one row and those of ``ids[first:last]`` along each other, each by its share."""
    p = first
    while last - p >= 4:  # noqa: PLR2004 - as many as pull_4 takes
        shares = (
            share_of(weights, ids[p], pace),
            share_of(weights, ids[p + 1], pace),
            share_of(weights, ids[p + 2], pace),
            share_of(weights, ids[p + 3], pace),
        )
        pull_4(common, step, share, four_rows(rows, ids, p, row_bytes), shares, gradients + (p - first) * 4, chunks)
        p += 4
    if last - p >= 2:  # noqa: PLR2004 - as many as pull_2 takes
        two = (row_of(rows, ids[p], row_bytes), row_of(rows, ids[p + 1], row_bytes))
        both = (share_of(weights, ids[p], pace), share_of(weights, ids[p + 1], pace))
        pull_2(common, step, share, two, both, gradients + (p - first) * 4, chunks)
        p += 2
    if last > p:
        one = (row_of(rows, ids[p], row_bytes),)
        pull_1(common, step, share, one, (share_of(weights, ids[p], pace),), gradients + (p - first) * 4, chunks)


@kernel
def weigh_skipgram(products, batch, weights, sign):
    """Add a batch's products to the weights of their rows, or with ``sign`` -1 take them away again."""
    common, _, _, ends, partners, labels, _, _ = products
    of_input, of_output = weights
    for group in range(batch[0], batch[1]):
        total = np.float32(0)
        for p in range(ends[group], ends[group + 1]):
            weight = sign * abs(labels[p])
            of_input[partners[p]] += weight
            total += weight
        of_output[common[group]] += total


@kernel
def weigh_cbow(products, batch, weights, sign):
    """Add a batch's products to the weights of their rows, or with ``sign`` -1 take them away again.

    Each context row of a window gets the window's number of products, though with the corrected gradient
    it takes a part of each.
    """
    _, contexts, context_ends, ends, partners, _, _, _ = products
    of_input, of_output = weights
    for group in range(batch[0], batch[1]):
        for p in range(ends[group], ends[group + 1]):
            of_output[partners[p]] += sign
        for c in range(context_ends[group], context_ends[group + 1]):
            of_input[contexts[c]] += sign * np.float32(ends[group + 1] - ends[group])


@inlined
def prefetch_group(products, group, rows_in, rows_out, row_bytes, chunks):
    """Prefetch the row that a skip-gram's group has in common, and its last partner: the new one as windows go on."""
    common, _, _, ends, partners, _, _, _ = products
    prefetch(row_of(rows_out, common[group], row_bytes), chunks)
    prefetch(row_of(rows_in, partners[ends[group + 1] - 1], row_bytes), chunks)


@kernel
def score_skipgram(input_rows, output_rows, columns, products, batch, scores):
    """Write the scalar products of a batch over some columns.

    Args:
        input_rows, output_rows: read. Shape ``(V, S)``, float32, S a multiple of 16, 64-byte aligned.
        columns: the first chunk of 16 columns to work on, and the number of them.
        products: of a span.
        batch: its first group, and the one after its last.
        scores: written; has room for 16 more. float32.
    """
    common, _, _, ends, partners, _, _, _ = products
    row_bytes, skip = np.int64(input_rows.shape[1] * 4), np.int64(columns[0] * 64)
    chunks = np.int64(columns[1])
    rows_in, rows_out = input_rows.ctypes.data + skip, output_rows.ctypes.data + skip
    start = ends[batch[0]]
    for group in range(batch[0], batch[1]):
        if group + AHEAD < batch[1]:
            prefetch_group(products, group + AHEAD, rows_in, rows_out, row_bytes, chunks)
        row = row_of(rows_out, common[group], row_bytes)
        where = scores.ctypes.data + (ends[group] - start) * 4
        multiply_all(row, rows_in, row_bytes, partners, ends[group], ends[group + 1], where, chunks)


@kernel
def update_skipgram(input_rows, output_rows, columns, products, batch, gradients, weights, pace):
    """Move the rows of a batch, in the order of its products.

    Args:
        input_rows, output_rows: written, in the columns named.
        columns, products, batch: as for :func:`score_skipgram`.
        gradients: g of each product, from :func:`embtrain.kernels.column_rows.take_gradients`.
        weights: of this batch.
        pace: the learning rate / what a row's may add up to, float32.
    """
    of_input, of_output = weights
    common, _, _, ends, partners, _, _, _ = products
    row_bytes, skip = np.int64(input_rows.shape[1] * 4), np.int64(columns[0] * 64)
    chunks = np.int64(columns[1])
    rows_in, rows_out = input_rows.ctypes.data + skip, output_rows.ctypes.data + skip
    start = ends[batch[0]]
    for group in range(batch[0], batch[1]):
        if group + AHEAD < batch[1]:
            prefetch_group(products, group + AHEAD, rows_in, rows_out, row_bytes, chunks)
        row = row_of(rows_out, common[group], row_bytes)
        where = gradients.ctypes.data + (ends[group] - start) * 4
        share = share_of(of_output, common[group], pace)
        begin, end = ends[group], ends[group + 1]
        pull_all(row, row, share, rows_in, row_bytes, partners, begin, end, where, of_input, pace, chunks)


@inlined
def average_contexts(mean, contexts, first, last, share, rows_in, row_bytes, addresses, chunks):
    """Write the mean of a window's context rows."""
    for c in range(first, last):
        addresses[c - first] = row_of(rows_in, contexts[c], row_bytes)
    sum_rows(mean, addresses.ctypes.data, last - first, share, chunks)


@kernel
def score_cbow(input_rows, output_rows, columns, products, batch, scores, addresses, spare_rows):
    """Write the scalar products of a batch over some columns.

    Args:
        input_rows, output_rows, columns, products, batch, scores: as for :func:`score_skipgram`.
        addresses: scratch for as many int64 as a window has contexts.
        spare_rows: scratch for two rows of S float32.
    """
    _, contexts, context_ends, ends, partners, _, _, shares = products
    row_bytes, skip = np.int64(input_rows.shape[1] * 4), np.int64(columns[0] * 64)
    chunks = np.int64(columns[1])
    rows_in, rows_out = input_rows.ctypes.data + skip, output_rows.ctypes.data + skip
    mean = spare_rows[0].ctypes.data
    start = ends[batch[0]]
    for group in range(batch[0], batch[1]):
        if group + AHEAD < batch[1]:
            for p in range(ends[group + AHEAD], ends[group + AHEAD + 1]):
                prefetch(row_of(rows_out, partners[p], row_bytes), chunks)
            prefetch(row_of(rows_in, contexts[context_ends[group + AHEAD + 1] - 1], row_bytes), chunks)
        first, last = context_ends[group], context_ends[group + 1]
        average_contexts(mean, contexts, first, last, shares[group], rows_in, row_bytes, addresses, chunks)
        where = scores.ctypes.data + (ends[group] - start) * 4
        multiply_all(mean, rows_out, row_bytes, partners, ends[group], ends[group + 1], where, chunks)


@kernel
def update_cbow(
    input_rows,
    output_rows,
    columns,
    products,
    batch,
    gradients,
    weights,
    pace,
    addresses,
    spare_rows,
    divide_gradient,
):
    """Move the rows of a batch, window by window, each by the mean of its context rows as they are then.

    Args:
        input_rows, output_rows, columns, products, batch, gradients, weights, pace: as for :func:`update_skipgram`.
        addresses, spare_rows: as for :func:`score_cbow`.
        divide_gradient: as for :func:`embtrain.kernels.cbow.train_cbow`.
    """
    of_input, of_output = weights
    _, contexts, context_ends, ends, partners, _, _, shares = products
    row_bytes, skip = np.int64(input_rows.shape[1] * 4), np.int64(columns[0] * 64)
    chunks = np.int64(columns[1])
    rows_in, rows_out = input_rows.ctypes.data + skip, output_rows.ctypes.data + skip
    mean, step = spare_rows[0].ctypes.data, spare_rows[1].ctypes.data
    start = ends[batch[0]]
    for group in range(batch[0], batch[1]):
        first, last = context_ends[group], context_ends[group + 1]
        share = shares[group]
        average_contexts(mean, contexts, first, last, share, rows_in, row_bytes, addresses, chunks)
        sum_rows(step, addresses.ctypes.data, np.int64(0), share, chunks)  # of no row: zeros
        where = gradients.ctypes.data + (ends[group] - start) * 4
        begin, end = ends[group], ends[group + 1]
        all_of_it = np.float32(1)
        pull_all(mean, step, all_of_it, rows_out, row_bytes, partners, begin, end, where, of_output, pace, chunks)
        factor = share if divide_gradient else np.float32(1)
        for c in range(last - first):
            part = factor * share_of(of_input, contexts[first + c], pace * factor)
            add_to_rows(step, addresses[c:].ctypes.data, np.int64(1), part, chunks)

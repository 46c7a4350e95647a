"""Continuous bag of words with negative sampling on a GPU, tile by tile.

The step is that of :mod:`embtrain.kernels.cbow`, for all windows of a tile at once: a product with the band gives the
means of all windows, and one with the band turned around gives their steps back to the context rows. Negatives
are shared, and weighed, as by :mod:`embtrain.kernels.gpu.skipgram`.
"""

from __future__ import annotations

import triton
import triton.language as tl

from embtrain.kernels.gpu.tiles import (
    SCALARS,
    add_to_rows,
    count_and_cost,
    differ,
    load_rows,
    load_tile,
    row_addresses,
    shortened,
    softplus,
)


@triton.jit
def score_means(
    contexts,
    centers,
    negatives,
    band,
    share,
    STRIDE: tl.constexpr,
    CENTERS: tl.constexpr,
    NEGATIVES: tl.constexpr,
    CHUNK: tl.constexpr,
):
    """Return the scores of each window's mean with its center and with negatives, and squares of means and rows.

    Args:
        contexts, centers, negatives: from :func:`embtrain.kernels.gpu.tiles.row_addresses`.
        band: 1 where a context is in a center's window. Shape ``(CENTERS, CONTEXTS)``.
        share: 1 / the number of contexts. Shape ``(CENTERS, 1)``.
        STRIDE, CENTERS, NEGATIVES, CHUNK: as for :func:`train_cbow_tiles`.

    Returns:
        Shapes ``(CENTERS, 1)``, ``(CENTERS, NEGATIVES)``; ``(CENTERS, 1)`` twice, ``(NEGATIVES,)``.
    """
    of_centers = tl.zeros((CENTERS, 1), tl.float32)
    of_negatives = tl.zeros((CENTERS, NEGATIVES), tl.float32)
    hh, yy, zz = of_centers, of_centers, tl.zeros((NEGATIVES,), tl.float32)
    for start in range(0, STRIDE, CHUNK):
        x, y, z, _, _ = load_rows(contexts, centers, negatives, start, STRIDE, CHUNK)
        mean = tl.dot(band, x) * share
        of_centers += tl.sum(mean * y, axis=1)[:, None]
        of_negatives = tl.dot(mean, tl.trans(z), of_negatives)
        hh += tl.sum(mean * mean, axis=1)[:, None]
        yy += tl.sum(y * y, axis=1)[:, None]
        zz += tl.sum(z * z, axis=1)
    return of_centers, of_negatives, hh, yy, zz


@triton.jit
def predict_from_means(
    contexts,
    centers,
    negatives,
    band,
    share,
    differs,
    negative_weight,
    learning_rate,
    STRIDE: tl.constexpr,
    CENTERS: tl.constexpr,
    NEGATIVES: tl.constexpr,
    CHUNK: tl.constexpr,
    DIVIDES: tl.constexpr,
):
    """Predict each center from the mean of its window.

    Args:
        contexts, centers, negatives, band, share: as for :func:`score_means`.
        differs: from :func:`embtrain.kernels.gpu.tiles.differ`.
        negative_weight, learning_rate, STRIDE, CENTERS, NEGATIVES, CHUNK, DIVIDES: as for :func:`train_cbow_tiles`.

    Returns:
        The number of centers with a context, their loss, what of a center's mean it and negatives are moved by,
        of shapes ``(CENTERS, 1)`` and ``(CENTERS, NEGATIVES)``, and how far scores of contexts, centers and negatives
        move.
    """
    of_centers, of_negatives, hh, yy, zz = score_means(
        contexts, centers, negatives, band, share, STRIDE, CENTERS, NEGATIVES, CHUNK
    )
    has_context = tl.sum(band, axis=1)[:, None] > 0
    against = tl.where(has_context, differs * negative_weight, 0.0)
    loss = tl.sum(tl.where(has_context, softplus(-of_centers), 0.0)) + tl.sum(against * softplus(of_negatives))
    of_centers = tl.where(has_context, learning_rate * tl.sigmoid(-of_centers), 0.0)
    of_negatives = -learning_rate * against * tl.sigmoid(of_negatives)
    # A step along h moves the score with h by its square: hh, yy and zz are those of means and rows.
    of_mean = of_centers * yy - tl.sum(of_negatives * zz[None, :], axis=1)[:, None]
    if DIVIDES:
        of_mean *= share
    x_moves = tl.sum(band * of_mean, axis=0)
    y_moves = tl.sum(of_centers * hh, axis=1)
    z_moves = tl.sum(-of_negatives * hh, axis=0)
    return tl.sum(has_context.to(tl.int64)), loss, of_centers, of_negatives, x_moves, y_moves, z_moves


@triton.jit
def step_means(x, y, z, band, share, of_centers, of_negatives, DIVIDES: tl.constexpr):
    """Return what some columns of contexts, centers and negatives are moved by."""
    mean = tl.dot(band, x) * share
    of_mean = of_centers * y + tl.dot(of_negatives, z)
    if DIVIDES:
        of_mean *= share
    return tl.dot(tl.trans(band), of_mean), of_centers * mean, tl.dot(tl.trans(of_negatives), mean)


@triton.jit(do_not_specialize=SCALARS)
def train_cbow_tiles(
    input_rows,
    output_rows,
    input_load,
    output_load,
    ids,
    sequences,
    kept_before,
    first_token: tl.int64,
    last_token: tl.int64,
    num_tokens: tl.int64,
    alias,
    vocab_size: tl.int64,
    seed: tl.uint64,
    learning_rate: tl.float32,
    negative_weight: tl.float32,
    pairs,
    losses,
    WINDOW: tl.constexpr,
    DYNAMIC: tl.constexpr,
    STRIDE: tl.constexpr,
    CENTERS: tl.constexpr,
    CONTEXTS: tl.constexpr,
    NEGATIVES: tl.constexpr,
    CHUNK: tl.constexpr,
    TRAINS: tl.constexpr,
    DIVIDES: tl.constexpr,
):
    """Train on the windows of a span of a block; programs take its tiles in turn.

    Args:
        input_rows, output_rows, input_load, output_load, ids, sequences, kept_before, first_token, last_token,
            num_tokens, alias, vocab_size, seed, learning_rate, negative_weight, pairs, losses, WINDOW, DYNAMIC, STRIDE,
            CENTERS, CONTEXTS, NEGATIVES, CHUNK, TRAINS: as for
            :func:`embtrain.kernels.gpu.skipgram.train_skipgram_tiles`; what is counted as a pair is a center that has
            a context.
        DIVIDES: whether a context row's step is divided by their number; see
            :func:`embtrain.kernels.cbow.train_cbow`.
    """
    first, last = tl.load(kept_before + first_token), tl.load(kept_before + last_token)
    num_kept = tl.load(kept_before + num_tokens)
    num_pairs, loss = tl.full((), 0, tl.int64), tl.full((), 0.0, tl.float64)
    for position in range(first + tl.program_id(0) * CENTERS, last, tl.num_programs(0) * CENTERS):
        center_ids, context_ids, negative_ids, band = load_tile(
            ids, sequences, position, last, num_kept, alias, vocab_size, seed,
            WINDOW, DYNAMIC, CENTERS, CONTEXTS, NEGATIVES,
        )  # fmt: skip
        centers = row_addresses(output_rows, center_ids, STRIDE)
        contexts = row_addresses(input_rows, context_ids, STRIDE)
        negatives = row_addresses(output_rows, negative_ids, STRIDE)
        share = 1.0 / tl.maximum(tl.sum(band, axis=1), 1.0)[:, None]
        made, cost, of_centers, of_negatives, x_moves, y_moves, z_moves = predict_from_means(
            contexts, centers, negatives, band, share, differ(center_ids, negative_ids), negative_weight, learning_rate,
            STRIDE, CENTERS, NEGATIVES, CHUNK, DIVIDES,
        )  # fmt: skip
        num_pairs += made
        loss += cost.to(tl.float64)
        if TRAINS:
            has_center = (tl.sum(band, axis=0) > 0)[:, None]
            has_context = (tl.sum(band, axis=1) > 0)[:, None]
            everything = tl.full((NEGATIVES, 1), 1, tl.int1)
            for_contexts = shortened(input_load, context_ids, x_moves)
            for_centers = shortened(output_load, center_ids, y_moves)
            for_negatives = shortened(output_load, negative_ids, z_moves)
            for start in range(0, STRIDE, CHUNK):
                x, y, z, columns, inside = load_rows(contexts, centers, negatives, start, STRIDE, CHUNK)
                of_x, of_y, of_z = step_means(x, y, z, band, share, of_centers, of_negatives, DIVIDES)
                add_to_rows(centers, columns, of_y * for_centers, has_context, inside)
                add_to_rows(negatives, columns, of_z * for_negatives, everything, inside)
                add_to_rows(contexts, columns, of_x * for_contexts, has_center, inside)
    count_and_cost(pairs, losses, num_pairs, loss)

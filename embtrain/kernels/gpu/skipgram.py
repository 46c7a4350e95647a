"""Skip-gram with negative sampling on a GPU, tile by tile.

The step is that of :mod:`embtrain.kernels.skipgram`, for all pairs of a tile at once. A tile's negatives stand
against every pair in it, each weighed ``num_negatives / NEGATIVES``: the expected gradient is word2vec's.
docs/decisions/0011 says how large a tile may be, and how many may be in flight.
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
def score_pairs(
    contexts,
    centers,
    negatives,
    STRIDE: tl.constexpr,
    CENTERS: tl.constexpr,
    CONTEXTS: tl.constexpr,
    NEGATIVES: tl.constexpr,
    CHUNK: tl.constexpr,
):
    """Return the scores of contexts with centers and with negatives, and the squares of all rows.

    Shapes ``(CENTERS, CONTEXTS)``, ``(NEGATIVES, CONTEXTS)``, ``(CONTEXTS,)``, ``(CENTERS,)``, ``(NEGATIVES,)``.
    """
    of_centers = tl.zeros((CENTERS, CONTEXTS), tl.float32)
    of_negatives = tl.zeros((NEGATIVES, CONTEXTS), tl.float32)
    xx, yy, zz = tl.zeros((CONTEXTS,), tl.float32), tl.zeros((CENTERS,), tl.float32), tl.zeros((NEGATIVES,), tl.float32)
    for start in range(0, STRIDE, CHUNK):
        x, y, z, _, _ = load_rows(contexts, centers, negatives, start, STRIDE, CHUNK)
        of_centers = tl.dot(y, tl.trans(x), of_centers)
        of_negatives = tl.dot(z, tl.trans(x), of_negatives)
        xx += tl.sum(x * x, axis=1)
        yy += tl.sum(y * y, axis=1)
        zz += tl.sum(z * z, axis=1)
    return of_centers, of_negatives, xx, yy, zz


@triton.jit
def predict_from_each(
    contexts,
    centers,
    negatives,
    band,
    differs,
    negative_weight,
    learning_rate,
    STRIDE: tl.constexpr,
    CENTERS: tl.constexpr,
    CONTEXTS: tl.constexpr,
    NEGATIVES: tl.constexpr,
    CHUNK: tl.constexpr,
):
    """Predict each center from each context of its window.

    Args:
        contexts, centers, negatives: addresses of their rows.
        band: 1 where a context is in a center's window. Shape ``(CENTERS, CONTEXTS)``.
        differs: from :func:`embtrain.kernels.gpu.tiles.differ`.
        negative_weight, learning_rate, STRIDE, CENTERS, CONTEXTS, NEGATIVES, CHUNK: as for
            :func:`train_skipgram_tiles`.

    Returns:
        The number of pairs, their loss, what of a context's row centers and negatives are moved by, of shapes
        ``(CENTERS, CONTEXTS)`` and ``(NEGATIVES, CONTEXTS)``, and how far scores of contexts, centers and negatives
        move.
    """
    of_centers, of_negatives, xx, yy, zz = score_pairs(
        contexts, centers, negatives, STRIDE, CENTERS, CONTEXTS, NEGATIVES, CHUNK
    )
    # How many pairs each negative stands against, by context: counts, which a product in tf32 has exactly.
    against = tl.dot(tl.trans(differs), band) * negative_weight
    loss = tl.sum(band * softplus(-of_centers)) + tl.sum(against * softplus(of_negatives))
    of_centers = learning_rate * band * tl.sigmoid(-of_centers)
    of_negatives = -learning_rate * against * tl.sigmoid(of_negatives)
    # A step along x moves the score with x by its square: xx, yy and zz are those of the rows.
    x_moves = tl.sum(of_centers * yy[:, None], axis=0) - tl.sum(of_negatives * zz[:, None], axis=0)
    y_moves = tl.sum(of_centers * xx[None, :], axis=1)
    z_moves = tl.sum(-of_negatives * xx[None, :], axis=1)
    return tl.sum(band).to(tl.int64), loss, of_centers, of_negatives, x_moves, y_moves, z_moves


@triton.jit
def step_each(x, y, z, of_centers, of_negatives):
    """Return what some columns of contexts, centers and negatives are moved by."""
    of_x = tl.dot(tl.trans(of_negatives), z, tl.dot(tl.trans(of_centers), y))
    return of_x, tl.dot(of_centers, x), tl.dot(of_negatives, x)


@triton.jit(do_not_specialize=SCALARS)
def train_skipgram_tiles(
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
):
    """Train on the windows of a span of a block; programs take its tiles in turn.

    As in word2vec.c the input row of each context word predicts the center's output row. All gradients of a tile
    are taken from the rows as it found them. Programs share the rows as the CPU's threads do (Hogwild), but add
    to them atomically, so that no change is lost.

    Args:
        input_rows, output_rows: read and changed. Shape ``(V, STRIDE)``, float32.
        input_load, output_load: how much of each row is in flight; see :func:`embtrain.kernels.gpu.tiles.shortened`.
        ids, sequences: of the tokens kept of the block: ids, and numbers of their sequences. int32.
        kept_before: how many are kept of the tokens up to each one, the first being 0. Shape ``(T + 1,)``, int64.
        first_token, last_token: the span, in tokens of the block before subsampling.
        num_tokens: T, of the block.
        alias: of the negatives, as int64. Shape ``(V,)``.
        vocab_size: V.
        seed: of the block.
        learning_rate: of the span.
        negative_weight: of a negative beside a true pair.
        pairs, losses: sums of each program, added to. Shape ``(P,)``, int64 and float64.
        WINDOW, DYNAMIC: as in the settings.
        STRIDE: numbers of a row.
        CENTERS, CONTEXTS, NEGATIVES: of a tile; see :func:`embtrain.kernels.gpu.tiles.load_tile`.
        CHUNK: numbers of a row that are worked on at a time, a power of two.
        TRAINS: false: nothing changes, and the loss is that of the rows as they are.
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
        made, cost, of_centers, of_negatives, x_moves, y_moves, z_moves = predict_from_each(
            contexts, centers, negatives, band, differ(center_ids, negative_ids), negative_weight, learning_rate,
            STRIDE, CENTERS, CONTEXTS, NEGATIVES, CHUNK,
        )  # fmt: skip
        num_pairs += made
        loss += cost.to(tl.float64)
        if TRAINS:
            has_pair = (tl.sum(band, axis=0) > 0)[:, None]
            is_predicted = (tl.sum(band, axis=1) > 0)[:, None]
            everything = tl.full((NEGATIVES, 1), 1, tl.int1)
            for_contexts = shortened(input_load, context_ids, x_moves)
            for_centers = shortened(output_load, center_ids, y_moves)
            for_negatives = shortened(output_load, negative_ids, z_moves)
            for start in range(0, STRIDE, CHUNK):
                x, y, z, columns, inside = load_rows(contexts, centers, negatives, start, STRIDE, CHUNK)
                of_x, of_y, of_z = step_each(x, y, z, of_centers, of_negatives)
                add_to_rows(centers, columns, of_y * for_centers, is_predicted, inside)
                add_to_rows(negatives, columns, of_z * for_negatives, everything, inside)
                add_to_rows(contexts, columns, of_x * for_contexts, has_pair, inside)
    count_and_cost(pairs, losses, num_pairs, loss)

"""FastText's skip-gram and CBOW with negative sampling on a GPU, tile by tile.

Tiles, negatives and steps are those of :mod:`embtrain.kernels.gpu.skipgram` and :mod:`embtrain.kernels.gpu.cbow`; what
stands in a context row's place is the sum, or the mean, of the rows of its word: its own and its n-grams'. It
is added up when a tile begins, and what the tile's windows have changed in it is added to each of these rows at
its end, as :mod:`embtrain.kernels.fasttext` does while windows are open on a position.
"""

from __future__ import annotations

import triton
import triton.language as tl

from embtrain.kernels.gpu.cbow import predict_from_means, step_means
from embtrain.kernels.gpu.skipgram import predict_from_each, step_each
from embtrain.kernels.gpu.tiles import (
    SCALARS,
    add_to_rows,
    count_and_cost,
    differ,
    load_rows,
    load_tile,
    row_addresses,
    shortened,
)


@triton.jit(do_not_specialize=SCALARS)
def train_fasttext_tiles(
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
    part_offsets,
    part_rows,
    sums,
    WINDOW: tl.constexpr,
    DYNAMIC: tl.constexpr,
    STRIDE: tl.constexpr,
    CENTERS: tl.constexpr,
    CONTEXTS: tl.constexpr,
    NEGATIVES: tl.constexpr,
    CHUNK: tl.constexpr,
    TRAINS: tl.constexpr,
    CBOW: tl.constexpr,
):
    """Train on the windows of a span of a block; programs take its tiles in turn.

    Args:
        input_rows: of words and of n-grams, read and changed. Shape ``(R, STRIDE)``, float32.
        output_rows, input_load, output_load, ids, sequences, kept_before, first_token, last_token, num_tokens, alias,
            vocab_size, seed, learning_rate, negative_weight, pairs, losses, WINDOW, DYNAMIC, STRIDE, CENTERS, CONTEXTS,
            NEGATIVES, CHUNK, TRAINS: as for :func:`embtrain.kernels.gpu.skipgram.train_skipgram_tiles`.
        part_offsets, part_rows: the input rows of each word; see :class:`embtrain.kernels.subword_rows.Parts`.
        sums: memory of each program. Shape ``(P, CONTEXTS, STRIDE)``, float32.
        CBOW: as for :func:`embtrain.kernels.fasttext.train_fasttext`; what is counted as a pair is then a center
            that has a context.
    """
    first, last = tl.load(kept_before + first_token), tl.load(kept_before + last_token)
    num_kept = tl.load(kept_before + num_tokens)
    num_pairs, loss = tl.full((), 0, tl.int64), tl.full((), 0.0, tl.float64)
    contexts = row_addresses(sums, tl.program_id(0).to(tl.int64) * CONTEXTS + tl.arange(0, CONTEXTS), STRIDE)
    for position in range(first + tl.program_id(0) * CENTERS, last, tl.num_programs(0) * CENTERS):
        center_ids, context_ids, negative_ids, band = load_tile(
            ids, sequences, position, last, num_kept, alias, vocab_size, seed,
            WINDOW, DYNAMIC, CENTERS, CONTEXTS, NEGATIVES,
        )  # fmt: skip
        part, size = load_parts(part_offsets, context_ids, band)
        add_up(input_rows, part_rows, part, size, contexts, STRIDE, CONTEXTS, CHUNK, not CBOW)
        tl.debug_barrier()  # since all threads write sums that others of them read
        centers = row_addresses(output_rows, center_ids, STRIDE)
        negatives = row_addresses(output_rows, negative_ids, STRIDE)
        differs = differ(center_ids, negative_ids)
        share = share_of_rows(band, size)
        if CBOW:
            made, cost, of_centers, of_negatives, x_moves, y_moves, z_moves = predict_from_means(
                contexts, centers, negatives, band, share, differs, negative_weight, learning_rate,
                STRIDE, CENTERS, NEGATIVES, CHUNK, False,
            )  # fmt: skip
        else:
            made, cost, of_centers, of_negatives, x_moves, y_moves, z_moves = predict_from_each(
                contexts, centers, negatives, band, differs, negative_weight, learning_rate,
                STRIDE, CENTERS, CONTEXTS, NEGATIVES, CHUNK,
            )  # fmt: skip
        num_pairs += made
        loss += cost.to(tl.float64)
        if TRAINS:
            is_predicted, everything = tl.sum(band, axis=1)[:, None] > 0, tl.full((NEGATIVES, 1), 1, tl.int1)
            for_centers = shortened(output_load, center_ids, y_moves)
            for_negatives = shortened(output_load, negative_ids, z_moves)
            for start in range(0, STRIDE, CHUNK):
                x, y, z, columns, inside = load_rows(contexts, centers, negatives, start, STRIDE, CHUNK)
                if CBOW:
                    of_x, of_y, of_z = step_means(x, y, z, band, share, of_centers, of_negatives, False)
                else:
                    of_x, of_y, of_z = step_each(x, y, z, of_centers, of_negatives)
                spread(input_rows, part_rows, part, size, input_load, x_moves, columns, inside, of_x, STRIDE)
                add_to_rows(centers, columns, of_y * for_centers, is_predicted, inside)
                add_to_rows(negatives, columns, of_z * for_negatives, everything, inside)
    count_and_cost(pairs, losses, num_pairs, loss)


@triton.jit
def load_parts(part_offsets, context_ids, band):
    """Return where each context word's rows begin, and how many they are: none, where no center is near."""
    part = tl.load(part_offsets + context_ids)
    size = tl.load(part_offsets + context_ids + 1) - part
    return part, tl.where(tl.sum(band, axis=0) > 0, size, 0)


@triton.jit
def load_row_ids(part_rows, part, size, number):
    """Return the ``number``-th row of each word that has so many, and which have."""
    there = number < size
    return tl.load(part_rows + part + number, mask=there, other=0), there[:, None]


@triton.jit
def add_up(
    input_rows,
    part_rows,
    part,
    size,
    sums,
    STRIDE: tl.constexpr,
    CONTEXTS: tl.constexpr,
    CHUNK: tl.constexpr,
    AVERAGED: tl.constexpr,
):
    """Write the sum of each word's rows, or their mean, to where ``sums`` says."""
    for start in range(0, STRIDE, CHUNK):
        columns = start + tl.arange(0, CHUNK)[None, :]
        inside = columns < STRIDE
        total = tl.zeros((CONTEXTS, CHUNK), tl.float32)
        # Unrolled, so that four rows of each word are under way together: of 26 words one has some forty.
        for number in tl.range(tl.max(size, axis=0), loop_unroll_factor=4):
            rows, there = load_row_ids(part_rows, part, size, number)
            address = row_addresses(input_rows, rows, STRIDE) + columns
            total += tl.load(address, mask=there & inside, other=0.0, cache_modifier=".cg")
        if AVERAGED:
            total /= tl.maximum(size, 1).to(tl.float32)[:, None]
        tl.store(sums + columns, total, mask=inside)


@triton.jit
def spread(input_rows, part_rows, part, size, input_load, moves, columns, inside, change, STRIDE: tl.constexpr):
    """Add some columns of a change of each word to all of its rows: whole, as in fastText's Model::update.

    All rows of a word move its scores together, so each is shortened as if it moved them alone.
    """
    for number in tl.range(tl.max(size, axis=0), num_stages=3):  # which rows, and their loads, are read ahead
        rows, there = load_row_ids(part_rows, part, size, number)
        step = change * shortened(input_load, rows, moves)
        add_to_rows(row_addresses(input_rows, rows, STRIDE), columns, step, there, inside)


@triton.jit
def share_of_rows(band, size):
    """Return 1 over the number of rows of all words of each window, as a column."""
    return 1.0 / tl.maximum(tl.sum(band * size.to(tl.float32)[None, :], axis=1), 1.0)[:, None]

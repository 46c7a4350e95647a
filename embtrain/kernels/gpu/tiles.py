"""Tiles: consecutive centers, the tokens around them, and negatives that all of them share.

What skip-gram, CBOW and FastText do alike on a GPU. Scores of a tile are small matrix products, masked by which
tokens are in whose window. A token's row is so read once for all windows of the tile that it is in, and changed once.
"""

from __future__ import annotations

import triton
import triton.language as tl

from embtrain.kernels.gpu.sampling import draw_negatives, draw_widths

SCALARS = ("first_token", "last_token", "num_tokens", "vocab_size", "seed")
"""Arguments that differ from call to call: without this, a kernel would be compiled anew for multiples of 16."""


@triton.jit
def load_tile(
    ids,
    sequences,
    position,
    last_center,
    num_kept,
    alias,
    vocab_size,
    seed,
    WINDOW: tl.constexpr,
    DYNAMIC: tl.constexpr,
    CENTERS: tl.constexpr,
    CONTEXTS: tl.constexpr,
    NEGATIVES: tl.constexpr,
):
    """Return the ids of a tile, and who is in whose window.

    Args:
        ids, sequences: of the tokens that are kept: their ids, and the number of the sequence that each is of.
        position: of the first center among them, int64.
        last_center: where centers end.
        num_kept: where tokens end.
        alias, vocab_size, seed: of what is drawn.
        WINDOW, DYNAMIC: as in the settings.
        CENTERS, CONTEXTS, NEGATIVES: of a tile, powers of two; CONTEXTS is at least CENTERS + 2 WINDOW.

    Returns:
        The ids of centers, contexts and negatives, int32, 0 where there is none; and ``band``, shape
        ``(CENTERS, CONTEXTS)``, float32: 1 where a context is in a center's window, else 0.
    """
    centers = position + tl.arange(0, CENTERS)
    contexts = position - WINDOW + tl.arange(0, CONTEXTS)
    is_center = centers < last_center
    is_context = (contexts >= 0) & (contexts < num_kept)
    center_ids = tl.load(ids + centers, mask=is_center, other=0)
    context_ids = tl.load(ids + contexts, mask=is_context, other=0)
    center_sequences = tl.load(sequences + centers, mask=is_center, other=-1)
    context_sequences = tl.load(sequences + contexts, mask=is_context, other=-2)
    distance = tl.abs(contexts[None, :] - centers[:, None])
    width = draw_widths(seed, centers, WINDOW, DYNAMIC)
    near = (distance > 0) & (distance <= width[:, None])
    band = (near & (center_sequences[:, None] == context_sequences[None, :])).to(tl.float32)
    negative_ids = draw_negatives(alias, vocab_size, seed, position * NEGATIVES + tl.arange(0, NEGATIVES))
    # Warps go on by themselves: none reads this tile's rows before all have added what the last one changes.
    tl.debug_barrier()
    return center_ids, context_ids, negative_ids, band


@triton.jit
def differ(center_ids, negative_ids):
    """Return 1 where a negative is another word than a center, else 0. Shape ``(CENTERS, NEGATIVES)``, float32."""
    return (center_ids[:, None] != negative_ids[None, :]).to(tl.float32)


@triton.jit
def row_addresses(matrix, ids, STRIDE: tl.constexpr):
    """Return where rows begin, as a column; offsets are int64, for a matrix may have more than 2**31 numbers."""
    return matrix + (ids.to(tl.int64) * STRIDE)[:, None]


@triton.jit
def load_rows(contexts, centers, negatives, start, STRIDE: tl.constexpr, CHUNK: tl.constexpr):
    """Return a chunk of the rows of a tile, and its columns: which they are, and which of them there are.

    Rows are read past the first-level cache, which would go on to show them as they were.

    Args:
        contexts, centers, negatives: from :func:`row_addresses`.
        start: the first column.
        STRIDE, CHUNK: numbers of a row, and of the chunk.
    """
    columns = start + tl.arange(0, CHUNK)[None, :]
    inside = columns < STRIDE
    x = tl.load(contexts + columns, mask=inside, other=0.0, cache_modifier=".cg")
    y = tl.load(centers + columns, mask=inside, other=0.0, cache_modifier=".cg")
    z = tl.load(negatives + columns, mask=inside, other=0.0, cache_modifier=".cg")
    return x, y, z, columns, inside


@triton.jit
def shortened(load, ids, change):
    """Return what the steps of rows are multiplied by, as a column: 1, or less for what goes too far in flight.

    Tiles in flight do not see each other's steps. A row that many of them change takes all those steps in one
    direction, where after one of them the next would have been shorter.

    Args:
        load: how many tiles in flight change a row, over how far its scores may safely move meanwhile. Shape ``(R,)``.
        ids: of the rows.
        change: at most, how far this tile's step moves the scores of each row, by its own gradient.
    """
    return (1.0 / tl.maximum(1.0, tl.load(load + ids) * change))[:, None]


@triton.jit
def softplus(x):
    """Return ln(1 + exp(x)), of either sign without overflow."""
    return tl.maximum(x, 0.0) + tl.log(1.0 + tl.exp(-tl.abs(x)))


@triton.jit
def add_to_rows(rows, columns, change, changes, inside):
    """Add a change to rows of float32, in any order: the same row may be there twice, or in other tiles.

    Args:
        rows: from :func:`row_addresses`.
        columns: as a row.
        change: of the shape of both.
        changes: which rows change at all, as a column.
        inside: which columns there are, as a row.
    """
    tl.atomic_add(rows + columns, change, mask=changes & inside, sem="relaxed")


@triton.jit
def count_and_cost(pairs, losses, num_pairs, loss):
    """Add what a program has done in this call to its own sums: pairs in int64, loss in float64."""
    program = tl.program_id(0)
    tl.store(pairs + program, tl.load(pairs + program) + num_pairs)
    tl.store(losses + program, tl.load(losses + program) + loss)

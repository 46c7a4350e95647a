"""One pass of GloVe over cells of co-occurrence on a GPU, tile by tile, by AdaGrad.

Rows, equations and bounds are those of :mod:`embtrain.kernels.glove`. A tile is up to 32 cells that stand next to each
other, sorted by their words. All of them read the rows as the tile finds them, and the gradients of those of one word
are added up first, so that a tile changes some three rows of words and 32 of contexts, by atomic additions. What other
tiles change in the meantime is not lost; it may be seen or not. So may, of two cells of one context, be the square
that the other adds to AdaGrad's sums.

Unlike there, a step's own square is in the sum that it is divided by the root of, as Duchi et al. have it: the
gradients of up to 32 cells of a new word agree with each other, and their sum alone would go too far
(docs/decisions/0014).
"""

from __future__ import annotations

import triton
import triton.language as tl

from embtrain.kernels.glove import CLIP

PLACE_MASK = tl.constexpr(0xFFFF)
LARGEST = tl.constexpr(CLIP)


@triton.jit(do_not_specialize=("first_tile", "last_tile"))
def train_glove_tiles(
    word_rows,
    context_rows,
    places,
    log_counts,
    tiles,
    first_tile: tl.int64,
    last_tile: tl.int64,
    log_x_max: tl.float32,
    exponent: tl.float32,
    rate: tl.float32,
    costs,
    bad_cell,
    WIDTH: tl.constexpr,
    STRIDE: tl.constexpr,
    CELLS: tl.constexpr,
    CHUNK: tl.constexpr,
    TRAINS: tl.constexpr,
):
    """Train on some tiles, which the programs take in turn.

    Args:
        word_rows, context_rows: read and written. Shape ``(V, 2 STRIDE)``, float32.
        places: of each cell, the context's offset times 65536, plus the word's. int32, of which the bits count.
        log_counts: log x of each cell, float32.
        tiles: each has its first cell, the one after its last, and the rows that the offsets of its words and contexts
            count from. Shape ``(N, 4)``, int64.
        first_tile, last_tile: the tiles to go through.
        log_x_max, exponent, rate: as for :func:`embtrain.kernels.glove.train_glove`.
        costs: of each program, added to. Shape ``(P,)``, float64.
        bad_cell: set to the last cell whose error is not finite, if there is one. Such are left out. Shape ``(1,)``,
            int64.
        WIDTH: numbers of a row that are not always 0: the dimension and 2.
        STRIDE: numbers of a row before its sums of squares.
        CELLS: of a tile at most, a power of two.
        CHUNK: numbers of a row that are worked on at a time, a power of two.
        TRAINS: false: nothing changes, and the cost is that of the rows as they are.
    """
    cost = tl.full((), 0.0, tl.float64)
    for tile in range(first_tile + tl.program_id(0), last_tile, tl.num_programs(0)):
        cells, inside, words, contexts = load_cells(places, tiles + tile * 4, CELLS)
        word, context = word_rows + words * (2 * STRIDE), context_rows + contexts * (2 * STRIDE)
        log_count = tl.load(log_counts + cells, mask=inside, other=0.0)
        diff = scalar_products(word, context, inside, WIDTH, CELLS, CHUNK) - log_count
        error = tl.exp(tl.minimum((log_count - log_x_max) * exponent, 0.0)) * diff
        finite = tl.abs(error) < float("inf")
        tl.atomic_max(bad_cell + tl.zeros_like(cells), cells, mask=inside & ~finite, sem="relaxed")
        learns = inside & finite
        error = tl.where(learns, error, 0.0)
        cost += tl.sum(error.to(tl.float64) * tl.where(learns, diff, 0.0).to(tl.float64)) * 0.5
        if TRAINS:
            take_steps(word, context, words, learns, error, rate, WIDTH, STRIDE, CELLS, CHUNK)
    program = tl.program_id(0)
    tl.store(costs + program, tl.load(costs + program) + cost)


@triton.jit
def load_cells(places, tile, CELLS: tl.constexpr):
    """Return a tile's cells, which of them there are, and the rows of their words and contexts, int64."""
    cells = tl.load(tile) + tl.arange(0, CELLS)
    inside = cells < tl.load(tile + 1)
    place = tl.load(places + cells, mask=inside, other=0)
    words = tl.load(tile + 2) + (place & PLACE_MASK).to(tl.int64)
    contexts = tl.load(tile + 3) + ((place >> 16) & PLACE_MASK).to(tl.int64)
    return cells, inside, words, contexts


@triton.jit
def load_part(rows, columns, inside, WIDTH: tl.constexpr):
    """Return some columns of each cell's row, 0 where there is none.

    Not by way of a multiprocessor's own cache, which would not see what the others add to a frequent word's row.
    """
    mask = inside[:, None] & (columns < WIDTH)[None, :]
    return tl.load(rows[:, None] + columns[None, :], mask=mask, other=0.0, cache_modifier=".cg")


@triton.jit
def scalar_products(word, context, inside, WIDTH: tl.constexpr, CELLS: tl.constexpr, CHUNK: tl.constexpr):
    """Return w . c + b_w + b_c of each cell, given its rows' addresses."""
    products = tl.zeros((CELLS,), tl.float32)
    # Unrolled, all of a row is under way at once.
    for start in tl.static_range(0, WIDTH, CHUNK):
        columns = start + tl.arange(0, CHUNK)
        w = load_part(word, columns, inside, WIDTH)
        products += tl.sum(w * load_part(context, columns, inside, WIDTH), axis=1)
    return products


@triton.jit
def take_steps(
    word,
    context,
    words,
    learns,
    error,
    rate,
    WIDTH: tl.constexpr,
    STRIDE: tl.constexpr,
    CELLS: tl.constexpr,
    CHUNK: tl.constexpr,
):
    """Take AdaGrad's step on the rows of all cells of a tile, those of one word together."""
    cell = tl.arange(0, CELLS)
    same = ((words[:, None] == words[None, :]) & learns[None, :]).to(tl.float32)
    # Of the cells of a word the first one writes, what they come to: their product with a matrix of ones and zeros.
    is_first = learns & (tl.max(tl.where(cell[None, :] < cell[:, None], same, 0.0), axis=1) == 0)
    for start in range(0, WIDTH, CHUNK):
        columns = start + tl.arange(0, CHUNK)
        w, c = load_part(word, columns, learns, WIDTH), load_part(context, columns, learns, WIDTH)
        of_words = tl.clamp(error[:, None] * c, -LARGEST, LARGEST) * rate
        of_contexts = tl.clamp(error[:, None] * w, -LARGEST, LARGEST) * rate
        squares = tl.dot(same, of_words * of_words, input_precision="tf32x3")
        of_words = tl.dot(same, of_words, input_precision="tf32x3")
        descend(word, columns, of_words, squares, is_first, WIDTH, STRIDE)
        descend(context, columns, of_contexts, of_contexts * of_contexts, learns, WIDTH, STRIDE)


@triton.jit
def descend(rows, columns, gradient, squares, moves, WIDTH: tl.constexpr, STRIDE: tl.constexpr):
    """Take AdaGrad's step in some columns of the rows that move, by the sums that count the step itself.

    Where a row is there twice, as a context may be, a warp may find in its sums what another has just added.

    Args:
        rows: addresses. Shape ``(CELLS,)``.
        columns: shape ``(CHUNK,)``.
        gradient, squares: what is stepped against, and added to the sums. Shape ``(CELLS, CHUNK)``.
        moves: shape ``(CELLS,)``.
        WIDTH, STRIDE: of a row.
    """
    at = rows[:, None] + columns[None, :]
    mask = moves[:, None] & (columns < WIDTH)[None, :]
    sums = tl.load(at + STRIDE, mask=mask, other=1.0, cache_modifier=".cg") + squares
    tl.atomic_add(at, -gradient * tl.rsqrt(sums), mask=mask, sem="relaxed")
    tl.atomic_add(at + STRIDE, squares, mask=mask, sem="relaxed")

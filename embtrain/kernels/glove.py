"""One pass of GloVe over cells of co-occurrence, in place, by AdaGrad (Pennington et al., 2014; Duchi et al., 2011).

A row of a word, and one of a context, is ``[vector | bias | 1 or bias | AdaGrad's sums of squares]``: a word has its
bias where a context has a 1, and the other way round, so that one scalar product gives w . c + b_w + b_c. The sum of
squares at a 1 is :data:`FIXED`, which leaves no step there. For a cell of weight x::

    diff  = w . c + b_w + b_c - log x
    f     = min(1, (x / x_max) ** exponent)              (eq. 9)
    cost  = f * diff ** 2 / 2                            (eq. 8, halved as Stanford's glove prints it)
    g_w   = rate * clip(f * diff * c)                    g_c likewise, both of the rows before the step
    w    -= g_w / sqrt(sums)                             sums += g_w ** 2

as Stanford's glove.c does, in its order, but for the biases: there they step without the learning rate.
"""

from __future__ import annotations

import itertools

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from embtrain.kernels import lanes
from embtrain.kernels.compilation import inlined, kernel
from embtrain.kernels.rows import in_blocks, prefetch

CLIP = 100.0
"""Bound of each component of a gradient, before the learning rate."""

FIXED = float(2**100)
"""A sum of squares so large that no step is left, yet with a root and a square sum within float32."""

AHEAD = 8
"""Cells between asking for a row and needing it."""

BATCH = lanes.LANES
"""Cells that are weighed at once."""


@intrinsic
def weigh(_context, log_counts, factors, log_x_max, exponent):
    """Write f(x) = exp(exponent * min(0, log x - log x_max)) of 16 cells to the 16 float32 at ``factors``.

    ``log_counts``: address of 16 float32.
    """
    signature = types.void(log_counts, factors, log_x_max, exponent)

    def emit(context, builder, _signature, arguments):
        log_counts, factors, log_x_max, exponent = arguments
        log_x = lanes.load(builder, log_counts, align=lanes.LANE_BYTES)
        below = builder.fsub(log_x, lanes.splat(builder, log_x_max))
        power = lanes.clamp(builder, builder.fmul(below, lanes.splat(builder, exponent)), 80.0)
        capped = builder.select(builder.fcmp_ordered(">", power, lanes.floats(0)), lanes.floats(0), power)
        lanes.store(builder, lanes.exp(builder, capped), factors)
        return context.get_dummy_value()

    return signature, emit


@intrinsic
def scalar_product(_context, x, y, chunks):
    """Return the scalar product of two rows of ``chunks`` times 16 float32, given by their addresses."""
    signature = types.float32(x, y, chunks)

    def emit(_context, builder, _signature, arguments):
        x, y, chunks = arguments
        sums = [cgutils.alloca_once_value(builder, lanes.floats(0)) for _ in range(4)]

        def emit_chunks(offsets: list[ir.Value]) -> None:
            for total, offset in zip(itertools.cycle(sums), offsets, strict=False):
                ours, theirs = (lanes.load(builder, builder.add(row, offset)) for row in (x, y))
                builder.store(lanes.fma(builder, ours, theirs, builder.load(total)), total)

        in_blocks(builder, chunks, emit_chunks)
        low, high = (builder.fadd(builder.load(sums[k]), builder.load(sums[k + 1])) for k in (0, 2))
        return lanes.sum_of_lanes(builder, builder.fadd(low, high))

    return signature, emit


def _step(builder: ir.IRBuilder, row: ir.Value, sums: ir.Value, gradient: ir.Value, rate: ir.Value) -> None:
    """Move 16 numbers at the address ``row`` against their gradient, and add its square to their sums."""
    change = builder.select(builder.fcmp_ordered(">", gradient, rate), rate, gradient)
    low = builder.fsub(lanes.floats(0), rate)
    change = builder.select(builder.fcmp_ordered("<", change, low), low, change)
    squares = lanes.load(builder, sums)
    back = builder.fsub(lanes.floats(0), change)
    lanes.store(builder, lanes.fma(builder, back, lanes.inverse_root(builder, squares), lanes.load(builder, row)), row)
    lanes.store(builder, lanes.fma(builder, change, change, squares), sums)


@intrinsic
def step_both(_context, word, context_row, error, rate, chunks, sums_from):
    """Take AdaGrad's step on two rows whose scalar product has the gradient ``error``.

    Their sums of squares begin ``sums_from`` bytes after their numbers.
    """
    signature = types.void(word, context_row, error, rate, chunks, sums_from)

    def emit(context, builder, _signature, arguments):
        word, context_row, error, rate, chunks, sums_from = arguments
        error = lanes.splat(builder, builder.fmul(error, rate))
        rate = lanes.splat(builder, builder.fmul(rate, lanes.FLOAT(CLIP)))

        def emit_chunks(offsets: list[ir.Value]) -> None:
            for offset in offsets:
                rows = [builder.add(row, offset) for row in (word, context_row)]
                gradients = [builder.fmul(lanes.load(builder, row), error) for row in reversed(rows)]
                for row, gradient in zip(rows, gradients, strict=True):
                    _step(builder, row, builder.add(row, sums_from), gradient, rate)

        in_blocks(builder, chunks, emit_chunks)
        return context.get_dummy_value()

    return signature, emit


@inlined
def fetch(place, words, contexts, row_bytes, chunks):
    """Ask for both rows of a cell; ``place`` holds the context's offset in its upper half, the word's in the lower."""
    prefetch(words + np.int64(place & 0xFFFF) * row_bytes, 2 * chunks)
    prefetch(contexts + np.int64(place >> 16) * row_bytes, 2 * chunks)


@kernel
def train_glove(word_rows, context_rows, segments, first, last, places, log_counts, log_x_max, exponent, rate, factors):
    """Train on the cells of some segments; return their summed cost and the first cell that would make a NaN.

    Args:
        word_rows, context_rows: read and written. Shape ``(V, 2 S)``, float32, S a multiple of 16, 64-byte
            aligned, laid out as told above. Other threads may be writing them (Hogwild).
        segments: cells that lie together: each has its first cell, the one after its last, and the rows that the
            offsets of its words and contexts count from. Shape ``(N, 4)``, int64.
        first, last: the segments to go through.
        places: of each cell, the context's offset times 65536, plus the word's. uint32.
        log_counts: log x of each cell, float32; 16 more must follow the last.
        log_x_max, exponent, rate: float32. With a rate of 0 nothing changes.
        factors: of this thread, 16 float32, 64-byte aligned.

    Returns:
        The cost, summed in float64, and the number of a cell whose error is not finite, or -1. Such a cell is left out.
    """
    row_bytes, chunks = np.int64(word_rows.shape[1] * 4), np.int64(word_rows.shape[1] // 32)
    cost, bad = 0.0, -1
    for index in range(first, last):
        start, end, word, context = segments[index]
        words = word_rows.ctypes.data + word * row_bytes
        contexts = context_rows.ctypes.data + context * row_bytes
        for ahead in range(start, min(start + AHEAD, end)):
            fetch(places[ahead], words, contexts, row_bytes, chunks)
        for cell in range(start, end):
            if (cell - start) & (BATCH - 1) == 0:
                weigh(log_counts.ctypes.data + cell * 4, factors.ctypes.data, log_x_max, exponent)
            if cell + AHEAD < end:
                fetch(places[cell + AHEAD], words, contexts, row_bytes, chunks)
            word_row = words + np.int64(places[cell] & 0xFFFF) * row_bytes
            context_row = contexts + np.int64(places[cell] >> 16) * row_bytes
            diff = scalar_product(word_row, context_row, chunks) - log_counts[cell]
            error = factors[(cell - start) & (BATCH - 1)] * diff
            if not np.isfinite(error):
                bad = bad if bad >= 0 else cell
                continue
            cost += 0.5 * np.float64(error) * np.float64(diff)
            step_both(word_row, context_row, error, rate, chunks, row_bytes // 2)
    return cost, bad

"""What :mod:`embtrain.kernels.column_products` is made of: one row against up to four, and gradients from scores.

Rows are named by their addresses, and are ``chunks`` times 16 float32 long.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from embtrain.kernels import lanes
from embtrain.kernels.compilation import kernel
from embtrain.kernels.prediction import SCORE_BOUND


def _multiply(num_partners: int) -> Any:
    """Make the intrinsic that multiplies one row with so many, and writes the products side by side.

    It writes 16 numbers, of which the last ones are 0 and are written over by what comes next.
    """

    @intrinsic
    def multiply(_context, common, partners, products, chunks):
        signature = types.void(common, partners, products, chunks)

        def emit(context, builder, _signature, arguments):
            common, partners, products, chunks = arguments
            addresses = cgutils.unpack_tuple(builder, partners)
            assert len(addresses) == num_partners
            sums = [cgutils.alloca_once_value(builder, lanes.floats(0)) for _ in addresses]
            with cgutils.for_range(builder, chunks) as loop:
                offset = builder.mul(loop.index, lanes.INT64(lanes.CHUNK_BYTES))
                row = lanes.load(builder, builder.add(common, offset))
                for total, address in zip(sums, addresses, strict=True):
                    partner = lanes.load(builder, builder.add(address, offset))
                    builder.store(lanes.fma(builder, row, partner, builder.load(total)), total)
            vectors = [builder.load(total) for total in sums] + [None] * (lanes.LANES - num_partners)
            lanes.store(builder, lanes.horizontal_sums(builder, vectors), products, align=lanes.LANE_BYTES)
            return context.get_dummy_value()

        return signature, emit

    return multiply


def _pull(num_partners: int) -> Any:
    """Make the intrinsic that moves one row and so many others along each other.

    Each partner o becomes o + g h, and the row ``step`` grows by the sum of g o, o being as it was. ``step`` may be
    the common row h itself.
    """

    @intrinsic
    def pull(_context, common, step, share, partners, shares, gradients, chunks):
        signature = types.void(common, step, share, partners, shares, gradients, chunks)

        def emit(context, builder, _signature, arguments):
            common, step, share, partners, shares, gradients, chunks = arguments
            addresses, factors = (cgutils.unpack_tuple(builder, values) for values in (partners, shares))
            assert len(addresses) == num_partners
            first = builder.inttoptr(gradients, lanes.FLOAT.as_pointer())
            numbers = [builder.load(builder.gep(first, [lanes.INT64(k)])) for k in range(num_partners)]
            to_step = [lanes.splat(builder, builder.fmul(number, share)) for number in numbers]
            to_partner = [
                lanes.splat(builder, builder.fmul(number, factor))
                for number, factor in zip(numbers, factors, strict=True)
            ]
            with cgutils.for_range(builder, chunks) as loop:
                offset = builder.mul(loop.index, lanes.INT64(lanes.CHUNK_BYTES))
                row = lanes.load(builder, builder.add(common, offset))
                where = builder.add(step, offset)
                total = lanes.load(builder, where)
                for own, its, address in zip(to_step, to_partner, addresses, strict=True):
                    place = builder.add(address, offset)
                    partner = lanes.load(builder, place)
                    total = lanes.fma(builder, own, partner, total)
                    lanes.store(builder, lanes.fma(builder, its, row, partner), place)
                lanes.store(builder, total, where)
            return context.get_dummy_value()

        return signature, emit

    return pull


multiply_1, multiply_2, multiply_4 = (_multiply(count) for count in (1, 2, 4))
pull_1, pull_2, pull_4 = (_pull(count) for count in (1, 2, 4))


@intrinsic
def _take_gradients(_context, scores, labels, rate, loss):
    """Turn 16 scores into gradients, in place, and add their losses to 16 float64 sums."""
    signature = types.void(scores, labels, rate, loss)

    def emit(context, builder, _signature, arguments):
        scores, labels, rate, loss = arguments
        s = lanes.load(builder, scores, align=lanes.LANE_BYTES)
        y = lanes.load(builder, labels, align=lanes.LANE_BYTES)
        zero, one = lanes.floats(0), lanes.floats(1)
        is_true = builder.fcmp_ordered(">", y, zero)
        weight = builder.select(is_true, y, builder.fsub(zero, y))
        minus_signed = lanes.clamp(builder, builder.select(is_true, builder.fsub(zero, s), s), SCORE_BOUND)
        # e = exp(-sign(y) s): sigmoid(-sign(y) s) = e / (1 + e).
        e = lanes.exp(builder, minus_signed)
        d = builder.fadd(one, e)
        error = builder.fdiv(e, d, flags=lanes.RELAXED)
        g = builder.fmul(builder.fmul(error, y), lanes.splat(builder, rate))
        lanes.store(builder, g, scores, align=lanes.LANE_BYTES)
        # exp makes a number of a NaN: zero times the score keeps it, so that a training that diverged is found.
        cost = lanes.fma(builder, s, zero, builder.fmul(weight, lanes.log(builder, d)))
        cost = builder.fpext(cost, lanes.DOUBLES)
        lanes.store(builder, builder.fadd(lanes.load(builder, loss, lanes.DOUBLES), cost), loss)
        return context.get_dummy_value()

    return signature, emit


@kernel
def take_gradients(scores, labels, learning_rate, loss):
    """Turn the scores of a batch into gradients, in place; return their summed loss in nats.

    Args:
        scores: summed over all columns. Shape ``(P,)``, float32.
        labels: of the same products. Shape ``(P,)``, float32.
        learning_rate: float32.
        loss: scratch of 16 float64 and 32 float32 after them, 64-byte aligned. Shape ``(32,)``, float64.
    """
    loss[:] = 0.0
    whole = scores.size // 16 * 16
    for first in range(0, whole, 16):
        _take_gradients(
            scores.ctypes.data + np.int64(first * 4),
            labels.ctypes.data + np.int64(first * 4),
            learning_rate,
            loss.ctypes.data,
        )
    rest = loss[16:].view(np.float32)
    for i in range(whole, scores.size):
        rest[i - whole], rest[16 + i - whole] = scores[i], labels[i]
    _take_gradients(rest.ctypes.data, rest[16:].ctypes.data, learning_rate, loss.ctypes.data)
    for i in range(whole, scores.size):
        scores[i] = rest[i - whole]
    return loss[:16].sum()

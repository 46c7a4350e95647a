"""The inner step that all negative-sampling models share: up to 4 rows against 6 target rows.

With h the row that predicts, o_k the rows of the targets, y_k = 1 for the true target and 0 for noise
(Mikolov et al., 2013b, eq. 4; gradients as in Rong, 2014, eqs. 56 to 61)::

    s_k  = h . o_k
    g_k  = rate_k * (y_k - sigmoid(s_k))
    h   += sum_k g_k o_k          o_k += sum_h g_k h
    loss = sum_k -log sigmoid(s_k) if y_k else -log sigmoid(-s_k)

All scores of a call are taken before any row is written: it is one small minibatch of pairs. Where the same
word stands twice among the predicting rows, one of its steps is lost, as between threads (Hogwild; Niu et al.,
2011).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from embtrain.kernels import lanes

TARGETS = 6
"""Target rows of one call: with four predicting rows, their 24 sums fill the 32 registers of AVX-512 best."""

SLOTS = 8
"""Lanes that each predicting row takes in the vector of scores: two rows fill it."""

SCORE_BOUND = 40.0
"""Scores are held within this: a sigmoid is 0 or 1 in float32 beyond 17, and d of four pairs can be multiplied."""

_ROW_PAIR = lanes.LANES // SLOTS


def _scores(
    builder: ir.IRBuilder, rows: Sequence[ir.Value], targets: Sequence[ir.Value], chunks: ir.Value
) -> list[list[ir.Value]]:
    """Return, per row and target, the vector whose lanes add up to their scalar product."""
    sums = [[cgutils.alloca_once_value(builder, lanes.floats(0)) for _ in targets] for _ in rows]
    with cgutils.for_range(builder, chunks) as loop:
        offset = builder.mul(loop.index, lanes.INT64(lanes.CHUNK_BYTES))
        h = [lanes.load(builder, builder.add(row, offset)) for row in rows]
        for k, target in enumerate(targets):
            o = lanes.load(builder, builder.add(target, offset))
            for j in range(len(rows)):
                builder.store(lanes.fma(builder, h[j], o, builder.load(sums[j][k])), sums[j][k])
    return [[builder.load(total) for total in of_row] for of_row in sums]


def _gradients(
    builder: ir.IRBuilder, partial_sums: list[list[ir.Value]], labels: ir.Value, rates: ir.Value, loss: ir.Value
) -> list[list[ir.Value]]:
    """Return g_k of every row and target in all lanes, and add the loss to the 16 float64 sums at ``loss``."""
    y, rate = lanes.load(builder, labels), lanes.load(builder, rates)
    present = builder.fcmp_ordered(">=", rate, lanes.floats(0))
    step = builder.select(present, rate, lanes.floats(0))
    noise = builder.select(present, builder.fsub(lanes.floats(1), y), lanes.floats(0))
    one, gradients = lanes.floats(1), []
    log_argument, noise_scores = one, lanes.floats(0)
    for first in range(0, len(partial_sums), _ROW_PAIR):
        pair = partial_sums[first : first + _ROW_PAIR]
        slots: list[ir.Value | None] = [None] * lanes.LANES
        for j, of_row in enumerate(pair):
            slots[j * SLOTS : j * SLOTS + len(of_row)] = of_row
        score = lanes.clamp(builder, lanes.horizontal_sums(builder, slots), SCORE_BOUND)
        # d = 1 + exp(-s): sigmoid(s) = 1 / d, -log sigmoid(s) = log d, -log sigmoid(-s) = s + log d.
        d = builder.fadd(one, lanes.exp(builder, builder.fsub(lanes.floats(0), score)))
        error = builder.fsub(y, builder.fdiv(one, d, flags=lanes.RELAXED))
        g = builder.fmul(error, step)
        gradients += [
            [lanes.splat_lane(builder, g, j * SLOTS + k) for k in range(len(of_row))] for j, of_row in enumerate(pair)
        ]
        counted = builder.select(present, d, one)
        if len(pair) < _ROW_PAIR:  # the empty slots have a score of 0, but are no pair
            counted = lanes.shuffle(builder, counted, one, [*range(SLOTS), *[lanes.LANES] * SLOTS])
        log_argument = builder.fmul(log_argument, counted)
        noise_scores = lanes.fma(builder, score, noise, noise_scores)
    cost = builder.fadd(lanes.log(builder, log_argument), noise_scores)
    total = builder.fadd(lanes.load(builder, loss, lanes.DOUBLES), builder.fpext(cost, lanes.DOUBLES))
    lanes.store(builder, total, loss)
    return gradients


def _update(
    builder: ir.IRBuilder,
    rows: Sequence[ir.Value],
    targets: Sequence[ir.Value],
    gradients: list[list[ir.Value]],
    chunks: ir.Value,
    steps: Sequence[ir.Value] | None,
) -> None:
    """Write the target rows, and add each row's own step to it, or write the step to ``steps``."""
    with cgutils.for_range(builder, chunks) as loop:
        offset = builder.mul(loop.index, lanes.INT64(lanes.CHUNK_BYTES))
        h = [lanes.load(builder, builder.add(row, offset)) for row in rows]
        new_h = [lanes.floats(0)] * len(rows) if steps else list(h)
        for k, target in enumerate(targets):
            address = builder.add(target, offset)
            o = new_o = lanes.load(builder, address)
            for j in range(len(rows)):
                new_h[j] = lanes.fma(builder, gradients[j][k], o, new_h[j])
                new_o = lanes.fma(builder, gradients[j][k], h[j], new_o)
            lanes.store(builder, new_o, address)
        for value, row in zip(new_h, steps or rows, strict=True):
            lanes.store(builder, value, builder.add(row, offset))


def _predict(num_rows: int, *, separate_step: bool) -> Any:
    """Make the intrinsic for so many predicting rows."""

    @intrinsic
    def predict(_context, rows, targets, labels, rates, chunks, loss, steps):
        signature = types.void(rows, targets, labels, rates, chunks, loss, steps)

        def emit(context, builder, _signature, arguments):
            rows, targets = (cgutils.unpack_tuple(builder, argument) for argument in arguments[:2])
            labels, rates, chunks, loss = arguments[2:6]
            steps = cgutils.unpack_tuple(builder, arguments[6]) if separate_step else None
            assert len(rows) == num_rows
            assert len(targets) == TARGETS
            sums = _scores(builder, rows, targets, chunks)
            gradients = _gradients(builder, sums, labels, rates, loss)
            _update(builder, rows, targets, gradients, chunks, steps)
            return context.get_dummy_value()

        return signature, emit

    return predict


# Called as predict_N(rows, targets, labels, rates, chunks, loss, steps):
#   rows, targets   tuples of addresses of float32 rows, 64-byte aligned, ``chunks`` times 16 numbers long
#   labels, rates   addresses of 16 float32: y_k and rate_k for two rows, 8 lanes each; a negative rate marks a
#                   slot without target, which has neither step nor loss
#   loss            address of 16 float64 sums
#   steps           not used: (0,); or, for predict_to_step, where the row's step goes, the row being left as it is
predict_1 = _predict(1, separate_step=False)
predict_2 = _predict(2, separate_step=False)
predict_4 = _predict(4, separate_step=False)
predict_to_step = _predict(1, separate_step=True)

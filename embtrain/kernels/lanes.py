"""Arithmetic on vectors of 16 float32 lanes, as LLVM instructions for numba's intrinsics to emit.

Why not plain loops: LLVM will not keep a block of dot products in registers where the rows that are read
are also written, since it cannot know that they do not overlap. We can, and say so here. The instructions are
legal on every processor: LLVM splits the vectors where a register holds fewer lanes. They are tuned
for AVX-512.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba.core import cgutils

from embtrain.kernels import padding

LANES = padding.LANES
LANE_BYTES = 4
CHUNK_BYTES = LANES * LANE_BYTES

FLOAT = ir.FloatType()
DOUBLE = ir.DoubleType()
INT32 = ir.IntType(32)
INT64 = ir.IntType(64)
FLOATS = ir.VectorType(FLOAT, LANES)
DOUBLES = ir.VectorType(DOUBLE, LANES)
INTS = ir.VectorType(INT32, LANES)

# Sums may be reordered and a division may be a multiplication; NaN stays NaN, so that it can be found.
RELAXED = ("reassoc", "nsz", "arcp", "contract")


HAS_ESTIMATE = get_host_cpu_features().get("avx512f", False)
"""Whether this processor estimates inverse roots. numba keeps kernels compiled for one kind of processor apart."""

_MANTISSA_BITS = 23
_SQRT_HALF_BITS = int(np.float32(math.sqrt(0.5)).view(np.int32))


def floats(value: float) -> ir.Constant:
    """Return ``value`` in every lane."""
    return ir.Constant(FLOATS, [float(np.float32(value))] * LANES)


def ints(value: int) -> ir.Constant:
    """Return an integer in every lane."""
    return ir.Constant(INTS, [value] * LANES)


def load(builder: ir.IRBuilder, address: ir.Value, kind: ir.Type = FLOATS, align: int = CHUNK_BYTES) -> ir.Value:
    """Read a vector from an address that is a multiple of ``align`` bytes."""
    return builder.load(builder.inttoptr(address, kind.as_pointer()), align=align)


def store(builder: ir.IRBuilder, value: ir.Value, address: ir.Value, align: int = CHUNK_BYTES) -> None:
    """Write a vector to an address that is a multiple of ``align`` bytes."""
    builder.store(value, builder.inttoptr(address, value.type.as_pointer()), align=align)


def intrinsic_call(builder: ir.IRBuilder, name: str, *arguments: ir.Value) -> ir.Value:
    """Call LLVM's lane-wise function ``name``, such as ``fma`` or ``rint``."""
    kind = arguments[0].type
    signature = ir.FunctionType(kind, [kind] * len(arguments))
    suffix = f"v{LANES}f32"
    return builder.call(cgutils.get_or_insert_function(builder.module, signature, f"llvm.{name}.{suffix}"), arguments)


def fma(builder: ir.IRBuilder, x: ir.Value, y: ir.Value, z: ir.Value) -> ir.Value:
    """Return x * y + z."""
    return intrinsic_call(builder, "fma", x, y, z)


def shuffle(builder: ir.IRBuilder, x: ir.Value, y: ir.Value, lanes: Sequence[int]) -> ir.Value:
    """Pick lanes of x (0 to 15) and of y (16 to 31)."""
    return builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(INT32, len(lanes)), list(lanes)))


def splat_lane(builder: ir.IRBuilder, x: ir.Value, lane: int) -> ir.Value:
    """Return lane ``lane`` of x in every lane."""
    return shuffle(builder, x, ir.Constant(x.type, ir.Undefined), [lane] * LANES)


def splat(builder: ir.IRBuilder, scalar: ir.Value) -> ir.Value:
    """Return a scalar float32 in every lane."""
    single = builder.insert_element(ir.Constant(FLOATS, ir.Undefined), scalar, INT32(0))
    return splat_lane(builder, single, 0)


def _by_quads(pattern: Sequence[int]) -> list[int]:
    """Repeat a pattern over lanes 0..3 of x and of y (4..7) in each quarter of the vector."""
    return [4 * quad + lane % 4 + LANES * (lane // 4) for quad in range(4) for lane in pattern]


def _of_quads(pattern: Sequence[int]) -> list[int]:
    """Pick whole quarters: 0..3 of x, 4..7 of y."""
    return [4 * (quad % 4) + lane + LANES * (quad // 4) for quad in pattern for lane in range(4)]


# The four rounds of adding up 16 vectors into one. Rounds one and two stay inside quarters, where a shuffle
# is cheapest; rounds three and four exchange whole quarters.
_ROUNDS = (
    (_by_quads([0, 4, 1, 5]), _by_quads([2, 6, 3, 7])),
    (_by_quads([0, 1, 4, 5]), _by_quads([2, 3, 6, 7])),
    (_of_quads([0, 1, 4, 5]), _of_quads([2, 3, 6, 7])),
    (_of_quads([0, 2, 4, 6]), _of_quads([1, 3, 5, 7])),
)


def horizontal_sums(builder: ir.IRBuilder, vectors: Sequence[ir.Value | None]) -> ir.Value:
    """Add up the lanes of each of 16 vectors: lane i of the result is the sum of vector i (None: 0)."""
    assert len(vectors) == LANES
    zero = floats(0)
    for low, high in _ROUNDS:
        merged: list[ir.Value | None] = []
        for x, y in zip(vectors[::2], vectors[1::2], strict=True):
            if x is None and y is None:
                merged.append(None)
                continue
            x, y = x or zero, y or zero  # noqa: PLW2901 - an absent vector is one of zeros
            merged.append(builder.fadd(shuffle(builder, x, y, low), shuffle(builder, x, y, high), flags=RELAXED))
        vectors = merged
    return vectors[0]


def sum_of_lanes(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """Return the sum of a vector's lanes, a float32."""
    name, signature = f"llvm.vector.reduce.fadd.v{LANES}f32", ir.FunctionType(FLOAT, [FLOAT, FLOATS])
    function = cgutils.get_or_insert_function(builder.module, signature, name)
    return builder.call(function, [FLOAT(0), x], fastmath=RELAXED)


def _polynomial(builder: ir.IRBuilder, coefficients: Sequence[float], x: ir.Value) -> ir.Value:
    """Return the polynomial with the given coefficients, that of the highest power last, by Horner's rule."""
    *rest, highest = coefficients
    value = floats(highest)
    for coefficient in reversed(rest):
        value = fma(builder, value, x, floats(coefficient))
    return value


def _fit(function: np.ufunc, degree: int, domain: tuple[float, float]) -> list[float]:
    fitted = np.polynomial.Chebyshev.interpolate(function, degree, domain)
    return fitted.convert(kind=np.polynomial.Polynomial).coef.tolist()


_EXP2 = _fit(np.exp2, 6, (-0.5, 0.5))
_LOG1P = _fit(np.log1p, 8, (math.sqrt(0.5) - 1, math.sqrt(2) - 1))


def exp(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """Return e ** x for x of -87 to 87, to 1e-6 relative.

    With t = x / ln 2, 2 ** round(t) is made in the exponent's bits and 2 ** (t - round(t)) by a polynomial.
    """
    per_ln2 = floats(1 / math.log(2))
    whole = intrinsic_call(builder, "rint", builder.fmul(x, per_ln2))
    part = fma(builder, x, per_ln2, builder.fsub(floats(0), whole))
    exponent = builder.shl(builder.fptosi(whole, INTS), ints(_MANTISSA_BITS))
    power = builder.bitcast(_polynomial(builder, _EXP2, part), INTS)
    return builder.bitcast(builder.add(power, exponent), FLOATS)


def log(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """Return the natural logarithm of a normal x > 0, to 2e-6 absolute and 1e-6 relative.

    x = 2 ** k * m with m in [sqrt 1/2, sqrt 2), of which the polynomial gives the logarithm.
    """
    # Subtracting the bits of sqrt(1/2) moves the step of the exponent from 1 to there.
    shifted = builder.sub(builder.bitcast(x, INTS), ints(_SQRT_HALF_BITS))
    k = builder.sitofp(builder.ashr(shifted, ints(_MANTISSA_BITS)), FLOATS)
    mantissa = builder.and_(shifted, ints((1 << _MANTISSA_BITS) - 1))
    m = builder.bitcast(builder.add(mantissa, ints(_SQRT_HALF_BITS)), FLOATS)
    log_m = _polynomial(builder, _LOG1P, builder.fsub(m, floats(1)))
    return fma(builder, k, floats(math.log(2)), log_m)


def inverse_root(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """Return 1 / sqrt(x) of a normal x > 0: to 6e-5 relative where the processor has an estimate of it.

    AVX-512's takes a tenth of the time of a root and a division, which everything else would wait for.
    """
    if not HAS_ESTIMATE:
        return builder.fdiv(floats(1), intrinsic_call(builder, "sqrt", x), flags=RELAXED)
    signature = ir.FunctionType(FLOATS, [FLOATS, FLOATS, ir.IntType(LANES)])
    estimate = cgutils.get_or_insert_function(builder.module, signature, "llvm.x86.avx512.rsqrt14.ps.512")
    return builder.call(estimate, [x, floats(0), ir.IntType(LANES)(-1)])


def clamp(builder: ir.IRBuilder, x: ir.Value, bound: float) -> ir.Value:
    """Return x, moved into [-bound, bound]; NaN stays NaN."""
    above = builder.fcmp_ordered(">", x, floats(bound))
    x = builder.select(above, floats(bound), x)
    below = builder.fcmp_ordered("<", x, floats(-bound))
    return builder.select(below, floats(-bound), x)

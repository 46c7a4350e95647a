"""Moving whole rows: prefetching one, adding several up, adding one to several.

A row is 64-byte aligned float32 numbers, ``chunks`` times 16 of them; rows are named by their addresses.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from embtrain.kernels import lanes


def _offset(builder: ir.IRBuilder, index: ir.Value) -> ir.Value:
    return builder.mul(index, lanes.INT64(lanes.CHUNK_BYTES))


def _address(builder: ir.IRBuilder, addresses: ir.Value, index: ir.Value) -> ir.Value:
    return builder.load(builder.gep(builder.inttoptr(addresses, lanes.INT64.as_pointer()), [index]))


@intrinsic
def prefetch(_context, row, chunks):
    """Ask for the cache lines of a row to come into the second-level cache, without waiting for them.

    Not for writing: rows of frequent words would be taken from the other threads' caches too early.
    """
    signature = types.void(row, chunks)

    def emit(context, builder, _signature, arguments):
        row, chunks = arguments
        pointer = ir.IntType(8).as_pointer()
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [pointer, *[lanes.INT32] * 3]), "llvm.prefetch.p0"
        )
        to_read, from_second_level, data = (lanes.INT32(value) for value in (0, 2, 1))
        with cgutils.for_range(builder, chunks) as loop:
            address = builder.inttoptr(builder.add(row, _offset(builder, loop.index)), pointer)
            builder.call(function, [address, to_read, from_second_level, data])
        return context.get_dummy_value()

    return signature, emit


@intrinsic
def sum_rows(_context, total, addresses, count, factor, chunks):
    """Write ``factor`` times the sum of ``count`` rows to the row ``total``.

    ``addresses``: address of an int64 array that holds the addresses of the rows.
    """
    signature = types.void(total, addresses, count, factor, chunks)

    def emit(context, builder, _signature, arguments):
        total, addresses, count, factor, chunks = arguments
        scale = lanes.splat(builder, factor)
        value = cgutils.alloca_once(builder, lanes.FLOATS)
        with cgutils.for_range(builder, chunks) as chunk:
            offset = _offset(builder, chunk.index)
            builder.store(lanes.floats(0), value)
            with cgutils.for_range(builder, count) as each:
                row = builder.add(_address(builder, addresses, each.index), offset)
                builder.store(builder.fadd(builder.load(value), lanes.load(builder, row)), value)
            lanes.store(builder, builder.fmul(builder.load(value), scale), builder.add(total, offset))
        return context.get_dummy_value()

    return signature, emit


@intrinsic
def add_to_rows(_context, step, addresses, count, factor, chunks):
    """Add ``factor`` times the row ``step`` to each of ``count`` rows, given as for :func:`sum_rows`."""
    signature = types.void(step, addresses, count, factor, chunks)

    def emit(context, builder, _signature, arguments):
        step, addresses, count, factor, chunks = arguments
        scale = lanes.splat(builder, factor)
        with cgutils.for_range(builder, chunks) as chunk:
            offset = _offset(builder, chunk.index)
            change = builder.fmul(lanes.load(builder, builder.add(step, offset)), scale)
            with cgutils.for_range(builder, count) as each:
                row = builder.add(_address(builder, addresses, each.index), offset)
                lanes.store(builder, builder.fadd(lanes.load(builder, row), change), row)
        return context.get_dummy_value()

    return signature, emit

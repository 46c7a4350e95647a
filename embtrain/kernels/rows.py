"""Moving whole rows: prefetching one, adding several up, adding one to several.

A row is 64-byte aligned float32 numbers, ``chunks`` times 16 of them; rows are named by their addresses.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from embtrain.kernels import lanes
from embtrain.kernels.compilation import inlined

BLOCK = 8
"""Chunks summed at a time."""


def _offset(builder: ir.IRBuilder, index: ir.Value) -> ir.Value:
    return builder.mul(index, lanes.INT64(lanes.CHUNK_BYTES))


def _address(builder: ir.IRBuilder, addresses: ir.Value, index: ir.Value) -> ir.Value:
    return builder.load(builder.gep(builder.inttoptr(addresses, lanes.INT64.as_pointer()), [index]))


@inlined
def row_of(rows, number, row_bytes):
    """Return the address of a row, by its number among rows that begin at the address ``rows``."""
    return rows + np.int64(number) * row_bytes


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


def in_blocks(builder: ir.IRBuilder, chunks: ir.Value, emit: Callable[[list[ir.Value]], None]) -> None:
    """Emit code for eight chunks of a row at a time, by their offsets, and for each number that may be left over.

    So the rows are gone through once for every 128 numbers, with as many sums in registers: how many rows there
    are differs from window to window, and each end of a loop over them is a branch that is guessed wrong.
    """

    def offsets(first: ir.Value, count: int) -> list[ir.Value]:
        return [builder.add(first, lanes.INT64(k * lanes.CHUNK_BYTES)) for k in range(count)]

    blocks = builder.udiv(chunks, lanes.INT64(BLOCK))
    with cgutils.for_range(builder, blocks) as block:
        emit(offsets(_offset(builder, builder.mul(block.index, lanes.INT64(BLOCK))), BLOCK))
    first = _offset(builder, builder.mul(blocks, lanes.INT64(BLOCK)))
    done = builder.append_basic_block("done")
    left_over = builder.switch(builder.urem(chunks, lanes.INT64(BLOCK)), done)
    for count in range(1, BLOCK):
        case = builder.append_basic_block(f"left_{count}")
        left_over.add_case(lanes.INT64(count), case)
        with builder.goto_block(case):
            emit(offsets(first, count))
            builder.branch(done)
    builder.position_at_end(done)


@intrinsic
def sum_rows(_context, total, addresses, count, factor, chunks):
    """Write ``factor`` times the sum of ``count`` rows to the row ``total``.

    ``addresses``: address of an int64 array that holds the addresses of the rows.
    """
    signature = types.void(total, addresses, count, factor, chunks)

    def emit(context, builder, _signature, arguments):
        total, addresses, count, factor, chunks = arguments
        scale = lanes.splat(builder, factor)
        sums = [cgutils.alloca_once(builder, lanes.FLOATS) for _ in range(BLOCK)]

        def emit_chunks(offsets: list[ir.Value]) -> None:
            for value, _ in zip(sums, offsets, strict=False):
                builder.store(lanes.floats(0), value)
            with cgutils.for_range(builder, count) as each:
                row = _address(builder, addresses, each.index)
                for value, offset in zip(sums, offsets, strict=False):
                    part = lanes.load(builder, builder.add(row, offset))
                    builder.store(builder.fadd(builder.load(value), part), value)
            for value, offset in zip(sums, offsets, strict=False):
                lanes.store(builder, builder.fmul(builder.load(value), scale), builder.add(total, offset))

        in_blocks(builder, chunks, emit_chunks)
        return context.get_dummy_value()

    return signature, emit


@intrinsic
def add_to_rows(_context, step, addresses, count, factor, chunks):
    """Add ``factor`` times the row ``step`` to each of ``count`` rows, given as for :func:`sum_rows`."""
    signature = types.void(step, addresses, count, factor, chunks)

    def emit(context, builder, _signature, arguments):
        step, addresses, count, factor, chunks = arguments
        scale = lanes.splat(builder, factor)

        def emit_chunks(offsets: list[ir.Value]) -> None:
            changes = [builder.fmul(lanes.load(builder, builder.add(step, offset)), scale) for offset in offsets]
            with cgutils.for_range(builder, count) as each:
                row = _address(builder, addresses, each.index)
                for change, offset in zip(changes, offsets, strict=True):
                    address = builder.add(row, offset)
                    lanes.store(builder, builder.fadd(lanes.load(builder, address), change), address)

        in_blocks(builder, chunks, emit_chunks)
        return context.get_dummy_value()

    return signature, emit

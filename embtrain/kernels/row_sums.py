"""One row of a matrix while it is being added up: its sums, and which of them are not zero.

The columns that have a sum are kept as a bitmap on two levels, so that they come out in ascending order without being
sorted: ``members`` has a bit for each column, ``groups`` a bit for each 64 of them of which one has a sum. For a
vocabulary of 100,000 they take 12.5 KB and 200 bytes, and so stay in the nearest cache.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from embtrain.kernels.compilation import inlined

WORD = 64
"""Bits of a word of the bitmaps."""


class RowSums(NamedTuple):
    """The sums of one row, by column.

    Attributes:
        sums: int64, shape ``(V,)``.
        members: uint64, shape ``(V // 64 + 1,)``: of which columns the sum is not zero.
        groups: uint64, shape ``(V // 4096 + 1,)``: which of ``members`` are not zero.
    """

    sums: np.ndarray
    members: np.ndarray
    groups: np.ndarray


def zero_row(vocab_size: int) -> RowSums:
    """Return a row of zeros with so many columns."""
    num_words = vocab_size // WORD + 1
    num_groups = num_words // WORD + 1
    return RowSums(np.zeros(vocab_size, np.int64), np.zeros(num_words, np.uint64), np.zeros(num_groups, np.uint64))


@intrinsic
def _lowest(_context, word):
    """Return the place of the lowest bit that is set in a uint64 other than 0."""

    def emit(_context, builder, _signature, arguments):
        return builder.cttz(arguments[0], ir.IntType(1)(1))

    return types.int64(word), emit


@inlined
def add(row, column, weight):
    """Add a weight, more than 0, to the sum of a column; return 1 if it had none before, else 0."""
    is_new = row.sums[column] == 0
    if is_new:
        row.members[column >> 6] |= np.uint64(1) << np.uint64(column & 63)
        row.groups[column >> 12] |= np.uint64(1) << np.uint64((column >> 6) & 63)
    row.sums[column] += weight
    return np.int64(is_new)


@inlined
def take_columns(row, columns, first):
    """Write the columns that have a sum to ``columns[first:]``, ascending; return where they end.

    What remains to be done is to set their sums to 0.
    """
    end = first
    for k in range(row.groups.size):
        waiting = row.groups[k]
        row.groups[k] = 0
        while waiting:
            word = WORD * k + _lowest(waiting)
            waiting &= waiting - np.uint64(1)
            present = row.members[word]
            row.members[word] = 0
            while present:
                columns[end] = WORD * word + _lowest(present)
                present &= present - np.uint64(1)
                end += 1
    return end

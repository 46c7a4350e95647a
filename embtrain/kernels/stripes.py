"""What must hold of a table of co-occurrences before its ids are used as addresses, and its weights as counts."""

from __future__ import annotations

import numpy as np
from numba import uint64

from embtrain.kernels.compilation import inlined, kernel


@kernel
def find_fault(rows, offsets, columns, weights, seen):
    """Return the first stripe that is wrong, or -1.

    A stripe is wrong if its row is out of the vocabulary or has come before, if it has no cells, if its columns do
    not ascend within the vocabulary, or if a weight is not a positive, finite number.

    Args:
        rows, offsets, columns, weights: stripe i is row rows[i], and columns and weights from offsets[i] to
            offsets[i + 1]. int32, int64, int32, float32.
        seen: whether a row has come. Shape ``(V,)``, bool; written.
    """
    vocab_size = seen.size
    for stripe in range(rows.size):
        row = np.int64(rows[stripe])
        if row < 0 or row >= vocab_size or seen[row] or offsets[stripe] == offsets[stripe + 1]:
            return stripe
        seen[row] = True
        before = np.int64(-1)
        for cell in range(offsets[stripe], offsets[stripe + 1]):
            column = np.int64(columns[cell])
            if column <= before or column >= vocab_size or not (0 < weights[cell] < np.inf):
                return stripe
            before = column
    return -1


@kernel
def asymmetry(rows, offsets, columns, weight_bits):
    """Return a sum over the cells that is 0, over a whole table, if it is symmetric; if not, hardly ever.

    Each cell adds its hash and takes that of its mirror image away, modulo 2**64. So nothing needs to be held.

    Args:
        rows, offsets, columns: as for :func:`find_fault`, and found right.
        weight_bits: the weights as uint32.
    """
    total = uint64(0)
    for stripe in range(rows.size):
        row = uint64(rows[stripe])
        for cell in range(offsets[stripe], offsets[stripe + 1]):
            column, bits = uint64(columns[cell]), uint64(weight_bits[cell])
            total += _hash(row, column, bits) - _hash(column, row, bits)
    return total


@inlined
def _hash(row, column, bits):
    """Mix 96 bits to 64 (Steele et al., 2014, SplitMix64's finaliser)."""
    z = (row << uint64(32) | column) * uint64(0x9E3779B97F4A7C15) + bits * uint64(0xD1342543DE82EF95)
    z = (z ^ (z >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> uint64(27))) * uint64(0x94D049BB133111EB)
    return z ^ (z >> uint64(31))

"""Rows of counts as SciPy's sparse matrix, in 8 bytes a cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array


def matrix_of_rows(
    weights: npt.NDArray[np.float32], columns: npt.NDArray[np.int32], lengths: npt.NDArray[Any], num_columns: int
) -> csr_array:
    """Make a matrix of its cells, row after row, without copying them.

    Args:
        weights: of the cells. Shape ``(N,)``.
        columns: likewise.
        lengths: cells of each row; add up to N. Shape ``(R,)``, integers.
        num_columns: columns are below it.
    """
    # SciPy brings columns to the type of the offsets: with int64 a cell would take 12 bytes.
    offsets = np.zeros(lengths.size + 1, np.int32 if columns.size < 2**31 else np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return csr_array((weights, columns, offsets), shape=(lengths.size, num_columns))

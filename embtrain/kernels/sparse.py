"""The product of a sparse matrix and a vector, for threads that share the rows."""

from __future__ import annotations

import numpy as np

from embtrain.kernels.compilation import kernel


@kernel
def multiply_rows(offsets, columns, values, vector, product, first, last):
    """Write rows ``first`` to ``last - 1`` of the product.

    Args:
        offsets: row i has the cells from ``offsets[i]`` to ``offsets[i + 1]``. Shape ``(R + 1,)``, uint64: numba
            looks at each signed index whether it counts from the end, which here takes a sixth of the time.
        columns, values: of the cells. Shape ``(N,)``, uint32 and float32.
        vector: shape ``(C,)``, float32.
        product: shape ``(R,)``, float32; written.
        first, last: which rows.
    """
    for row in range(first, last):
        total = np.float32(0)
        for cell in range(offsets[row], offsets[row + 1]):
            total += values[cell] * vector[columns[cell]]
        product[row] = total

"""What merging does to the rows of a matrix on the CPU, in one pass over them.

Changes are sent as bfloat16, the upper half of a float32: here as uint16. Rows m of an array of changes belong to rows
``which[m]`` of the matrices, and no two to the same. docs/decisions/0012 says what is computed.
"""

from __future__ import annotations

import numpy as np

from embtrain.kernels.compilation import inlined, kernel
from embtrain.kernels.lanes import CHUNK_BYTES
from embtrain.kernels.rows import prefetch

AHEAD = 8
"""Rows ahead of the present one that are asked for: hardly any is in a cache."""


@inlined
def prefetch_row(rows, which, m):
    """Prefetch one of the rows to come, if there is one."""
    if m < which.size:
        row_bytes = np.int64(rows.shape[1] * rows.itemsize)
        prefetch(rows.ctypes.data + which[m] * row_bytes, (row_bytes + CHUNK_BYTES - 1) // CHUNK_BYTES)


@kernel
def take_changes(rows, agreed, which, sent):
    """Write what has changed since the last agreement, rounded to the nearest, ties to even.

    Args:
        rows: of this process. Shape ``(V, S)``, float32.
        agreed: by all processes. Likewise.
        which: rows to look at. Shape ``(M,)``, int64.
        sent: written. Shape ``(M, S)``, uint16.
    """
    change = np.empty(rows.shape[1], np.float32)
    bits = change.view(np.uint32)
    for m in range(which.size):
        prefetch_row(rows, which, m + AHEAD)
        prefetch_row(agreed, which, m + AHEAD)
        row = which[m]
        for i in range(change.size):
            change[i] = rows[row, i] - agreed[row, i]
        for i in range(change.size):
            odd = (bits[i] >> np.uint32(16)) & np.uint32(1)
            sent[m, i] = (bits[i] + np.uint32(0x7FFF) + odd) >> np.uint32(16)


@kernel
def add_changes(rows, agreed, which, share, sent, total):
    """Add a share of all processes' changes; take back those of this one, which are among them.

    Args:
        rows: changed. What this process has changed since it sent, and what rounding lost, remains.
        agreed: changed, and the same in all processes again.
        which: as above.
        share: of each row's sum. Shape ``(M,)``, float32.
        sent: changes of this process. Shape ``(M, S)``, uint16.
        total: those of all processes, summed. Likewise.
    """
    own, of_all = np.empty((2, rows.shape[1]), np.float32)
    own_bits, bits = own.view(np.uint32), of_all.view(np.uint32)
    for m in range(which.size):
        prefetch_row(rows, which, m + AHEAD)
        prefetch_row(agreed, which, m + AHEAD)
        row = which[m]
        for i in range(own.size):
            own_bits[i] = np.uint32(sent[m, i]) << np.uint32(16)
            bits[i] = np.uint32(total[m, i]) << np.uint32(16)
        for i in range(own.size):
            change = share[m] * of_all[i]
            agreed[row, i] += change
            rows[row, i] += change - own[i]

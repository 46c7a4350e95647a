"""Memory of one thread for what a kernel works on, made once rather than at every call."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from embtrain.kernels.lanes import CHUNK_BYTES, LANES
from embtrain.kernels.prediction import SLOTS, TARGETS


def aligned_rows(num_rows: int, dim: int) -> npt.NDArray[np.float32]:
    """Return zeros of shape ``(num_rows, S)``, S being dim rounded up to 16, 64-byte aligned.

    Columns past dim are 0 and stay so: a step on them is a multiple of zeros.
    """
    stride = -(-dim // LANES) * LANES
    memory = np.zeros(num_rows * stride + LANES, np.float32)
    skip = (-memory.ctypes.data % CHUNK_BYTES) // memory.itemsize
    return memory[skip : skip + num_rows * stride].reshape(num_rows, stride)


class Scratch(NamedTuple):
    """A tuple, since numba passes that to kernels at no cost."""

    rows: npt.NDArray[np.float32]
    """Spare rows: the first takes the place of absent targets, the others are for sums and steps."""
    loss: npt.NDArray[np.float64]
    labels: npt.NDArray[np.float32]
    """1 for the true target and 0 for noise, per block of targets, for two predicting rows."""
    rates: npt.NDArray[np.float32]
    """The learning rate, or -1 where there is no target, in the layout of labels; in two versions."""
    targets: npt.NDArray[np.int64]
    """Addresses of the target rows; that of the first spare row where there is no target."""
    contexts: npt.NDArray[np.int64]
    kept: npt.NDArray[np.int32]
    drawn: npt.NDArray[np.int32]

    @classmethod
    def allocate(cls, *, dim: int, window: int, num_negatives: int, longest: int) -> Scratch:
        """Make what a thread needs for sequences of up to ``longest`` tokens."""
        blocks = -(-(1 + num_negatives) // TARGETS)
        labels = aligned_rows(blocks, LANES)
        labels[0, [0, SLOTS]] = 1
        rates = aligned_rows(2 * blocks, LANES).reshape(2, blocks, LANES)
        rates[:] = -1
        rows = aligned_rows(4, dim)
        return cls(
            rows=rows,
            loss=aligned_rows(2, LANES).reshape(-1).view(np.float64),
            labels=labels,
            rates=rates,
            targets=np.full(blocks * TARGETS, rows.ctypes.data, np.int64),
            contexts=np.zeros(2 * window, np.int64),
            kept=np.zeros(longest, np.int32),
            drawn=np.zeros((2, num_negatives), np.int32),
        )

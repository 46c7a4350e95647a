"""Memory of one thread for what a kernel works on, made once rather than at every call."""

from __future__ import annotations

import mmap
from contextlib import suppress
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from embtrain.kernels.lanes import CHUNK_BYTES, LANE_BYTES, LANES
from embtrain.kernels.padding import padded
from embtrain.kernels.prediction import SLOTS, TARGETS

SPARE, MEAN, STEP = range(3)
"""What the spare rows are for: in place of absent targets; CBOW's mean of context rows, and its step."""

HUGE_PAGE = 2 << 20
"""Bytes of a large page of memory on x86-64 and ARM."""


def aligned_rows(num_rows: int, dim: int) -> npt.NDArray[np.float32]:
    """Return zeros of shape ``(num_rows, S)``, S being dim rounded up to 16, 64-byte aligned.

    Columns past dim are 0 and stay so: a step on them is a multiple of zeros. Rows are fetched from all over a
    matrix, and with pages of 4 KB finding a page costs as much as fetching the row: training is twice as slow. So
    large matrices ask for large pages, from their first byte on.
    """
    stride = padded(dim)
    size = num_rows * stride * LANE_BYTES
    alignment = HUGE_PAGE if size >= HUGE_PAGE else CHUNK_BYTES
    memory = mmap.mmap(-1, size + alignment, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    everything = np.frombuffer(memory, np.uint8)
    skip = -everything.ctypes.data % alignment
    if alignment == HUGE_PAGE and hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a kernel built without large pages
            # The last rows, which are of rare words, would take a whole page for what may be little.
            memory.madvise(mmap.MADV_HUGEPAGE, skip, size - size % HUGE_PAGE)
    return everything[skip : skip + size].view(np.float32).reshape(num_rows, stride)


class Scratch(NamedTuple):
    """A tuple, since numba passes that to kernels at no cost."""

    rows: npt.NDArray[np.float32]
    """Spare rows: SPARE, MEAN and STEP."""
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
    """The negatives of a sequence: at most ``num_negatives`` of its own for each window."""

    @classmethod
    def allocate(cls, *, dim: int, window: int, num_negatives: int, longest: int) -> Scratch:
        """Make what a thread needs for sequences of up to ``longest`` tokens."""
        blocks = -(-(1 + num_negatives) // TARGETS)
        labels = aligned_rows(blocks, LANES)
        labels[0, [0, SLOTS]] = 1
        rates = aligned_rows(2 * blocks, LANES).reshape(2, blocks, LANES)
        rates[:] = -1
        rows = aligned_rows(3, dim)
        return cls(
            rows=rows,
            loss=aligned_rows(2, LANES).reshape(-1).view(np.float64),
            labels=labels,
            rates=rates,
            targets=np.full(blocks * TARGETS, rows.ctypes.data, np.int64),
            contexts=np.zeros(2 * window, np.int64),
            kept=np.zeros(longest, np.int32),
            drawn=np.zeros((longest + 1) * num_negatives, np.int32),
        )


class PathScratch(NamedTuple):
    """The same for the hierarchical softmax, whose targets are the nodes of a path, six to a block."""

    rows: npt.NDArray[np.float32]
    """Spare rows: SPARE, MEAN and STEP, then one per block of a path."""
    loss: npt.NDArray[np.float64]
    labels: npt.NDArray[np.float32]
    """``labels[bits]``: 1 - code of each node of a block whose codes are ``bits``, for two predicting rows."""
    rates: npt.NDArray[np.float32]
    """``rates[n]``: those of a block of n nodes, in the layout of labels."""
    targets: npt.NDArray[np.int64]
    """Addresses of the rows of a path's nodes."""
    codes: npt.NDArray[np.uint8]
    """The codes of a path, six bits per block."""
    steps: npt.NDArray[np.int64]
    """Addresses of the rows for each block's step."""
    contexts: npt.NDArray[np.int64]
    kept: npt.NDArray[np.int32]

    @classmethod
    def allocate(cls, *, dim: int, window: int, longest_path: int, longest: int) -> PathScratch:
        """Make what a thread needs for paths of up to ``longest_path`` nodes, and sequences of ``longest`` tokens."""
        blocks = -(-longest_path // TARGETS)
        rows = aligned_rows(3 + blocks, dim)
        codes = np.arange(1 << TARGETS)[:, None] >> np.arange(TARGETS) & 1
        labels = aligned_rows(len(codes), LANES)
        labels[:, :TARGETS] = labels[:, SLOTS : SLOTS + TARGETS] = 1 - codes
        rates = aligned_rows(TARGETS + 1, LANES)
        rates[:] = -1
        return cls(
            rows=rows,
            loss=aligned_rows(2, LANES).reshape(-1).view(np.float64),
            labels=labels,
            rates=rates,
            targets=np.zeros(blocks * TARGETS, np.int64),
            codes=np.zeros(blocks, np.uint8),
            steps=rows.ctypes.data + rows.strides[0] * np.arange(3, 3 + blocks),
            contexts=np.zeros(2 * window, np.int64),
            kept=np.zeros(longest, np.int32),
        )

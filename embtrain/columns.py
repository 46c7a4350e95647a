"""Which columns of every vector a process holds, where ``train.parallel`` is ``columns``.

Shapes: V rows, D columns of all processes together, C of this one. Where a row has several numbers for each column, as
GloVe's have AdaGrad's sums, they are ``...`` between the two: a process holds all numbers of its columns.
"""

from __future__ import annotations

import math
import mmap
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embtrain.distributed import Group
from embtrain.errors import SetupError

Matrix = npt.NDArray[np.float32]

FLOATS_PER_MESSAGE = 1 << 20
"""Matrices go from process to process in pieces of 4 MB, so that no second copy of them is needed on the wire."""


@dataclass(frozen=True)
class Columns:
    """The columns of one process, as part of all. No process needs memory for a whole matrix."""

    first: int
    last: int
    """One past its last column."""
    dim: int
    """D."""
    group: Group

    @classmethod
    def of(cls, dim: int, group: Group) -> Columns:
        """Share ``dim`` columns out among the processes, as evenly as can be.

        Raises:
            SetupError: if there are more processes than columns.
        """
        if group.world_size > dim:
            raise SetupError(
                f"{group.world_size} processes cannot share the {dim} columns that model.dim makes; "
                "start at most one process per column"
            )
        first, last = (dim * rank // group.world_size for rank in (group.rank, group.rank + 1))
        return cls(first, last, dim, group)

    def __len__(self) -> int:
        return self.last - self.first

    def own(self, rows: Matrix) -> Matrix:
        """Return this process's columns of rows that have all of them. A view, shape ``(R, ..., C)``."""
        return rows[..., self.first : self.last]

    def gathered(self, own: Matrix, width: int) -> Iterator[Matrix]:
        """Yield a matrix with the columns of all processes, some rows at a time; all must go through it together.

        Args:
            own: this process's columns. Shape ``(V, ..., C)``.
            width: of what is yielded, at least D: the columns past D are 0.

        Yields:
            Shape ``(R, ..., width)``.
        """
        parts = own.shape[1:-1]
        for some in _row_slices(len(own), math.prod(parts) * width):
            rows = np.zeros((some.stop - some.start, *parts, width), np.float32)
            self.own(rows)[:] = own[some]
            yield self.group.sum(rows)

    def whole(self, own: Matrix) -> Matrix:
        """Return a matrix with the columns of all processes in the first one, and in each other its own, not copied.

        The first one may not have the memory for it: the matrix is a temporary file, mapped. All must call it together.

        Args:
            own: this process's columns. Shape ``(V, C)``.

        Returns:
            Shape ``(V, D)`` in the first process, read-only.

        Raises:
            SetupError: in the first process, if the file cannot be written.
        """
        gathered = self.gathered(own, self.dim)
        if not self.group.is_first:
            for _ in gathered:
                pass
            return own
        try:
            with tempfile.TemporaryFile() as file:
                for rows in gathered:
                    file.write(rows.data)
                file.flush()
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise SetupError(
                f"cannot gather {len(own):,} vectors in a file in {tempfile.gettempdir()}: {error.strerror}; "
                "make room there, or set TMPDIR to a folder on a larger disk"
            ) from None
        return np.frombuffer(mapped, np.float32).reshape(len(own), self.dim)

    def spread(self, shape: tuple[int, ...], width: int, read: Callable[[slice], Matrix]) -> Matrix:
        """Return this process's columns of a matrix that the first process reads; all must call it together.

        Args:
            shape: of all but the columns, ``(V, ...)``.
            width: of the matrix, at least D.
            read: returns some of its rows; called in the first process alone.

        Returns:
            Shape ``(V, ..., C)``.
        """
        num_rows, *parts = shape
        own = np.empty((*shape, len(self)), np.float32)
        for some in _row_slices(num_rows, math.prod(parts) * width):
            rows = np.empty((some.stop - some.start, *parts, width), np.float32)
            if self.group.is_first:
                rows[:] = read(some).reshape(rows.shape)
            own[some] = self.own(self.group.from_first(rows))
        return own


def _row_slices(num_rows: int, width: int) -> Iterator[slice]:
    """Cut rows into pieces that fit a message."""
    at_a_time = max(1, FLOATS_PER_MESSAGE // width)
    for first in range(0, num_rows, at_a_time):
        yield slice(first, min(first + at_a_time, num_rows))

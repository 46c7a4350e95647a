"""Going through the content of a file from front to back, never past its end."""

from __future__ import annotations

import io
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import Struct
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from embtrain.errors import FormatError
from embtrain.formats.files import reading


class Cursor:
    """A position in a file's content. What is taken lies in it, if the file is mapped, rather than in memory.

    Args:
        content: all of it.
        path: for messages.
    """

    def __init__(self, content: bytes | mmap.mmap, path: Path) -> None:
        self.content = content
        self.path = path
        self.position = 0

    @property
    def remaining(self) -> int:
        """Return the bytes that are left."""
        return len(self.content) - self.position

    def take(self, layout: Struct, what: str) -> tuple[Any, ...]:
        """Return the numbers that come next.

        Raises:
            FormatError: if the file ends before.
        """
        return layout.unpack_from(self.content, self._advance(layout.size, what))

    def take_array(self, dtype: DTypeLike, shape: tuple[int, ...], what: str) -> NDArray[Any]:
        """Return an array of what comes next, not aligned in memory.

        Raises:
            FormatError: if the file ends before; nothing of the size that it claims is made.
        """
        if min(shape) < 0:
            raise FormatError(f"{self.path}: {what} has shape {shape}: the file is damaged")
        # In Python's numbers, which no size in a damaged file can overflow.
        count = int(np.prod([int(size) for size in shape], dtype=object))
        start = self._advance(count * np.dtype(dtype).itemsize, what)
        if not count:
            return np.empty(shape, dtype)
        return np.frombuffer(self.content, dtype, count, start).reshape(shape)

    def _advance(self, size: int, what: str) -> int:
        """Return the position, and move it."""
        if size > self.remaining:
            raise FormatError(
                f"{self.path}: {what} has {size} bytes, but {self.remaining} are left: it was cut short or is damaged"
            )
        self.position += size
        return self.position - size


@contextmanager
def cursor(path: Path) -> Iterator[Cursor]:
    """Map a file, or decompress one that is compressed; what is written to its arrays never reaches the file.

    Raises:
        FormatError: if there is no such file, or it is damaged.
    """
    with reading(path) as file:
        mapped = isinstance(file, io.BufferedReader) and path.stat().st_size > 0
        yield Cursor(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) if mapped else file.read(), path)

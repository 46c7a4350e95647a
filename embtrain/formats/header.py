"""The first line of word2vec's files: the number of words and of numbers per vector."""

from __future__ import annotations

import re
from pathlib import Path
from typing import IO

from embtrain.errors import FormatError
from embtrain.vectors import Vectors

_HEADER = re.compile(rb"([0-9]{1,15}) ([0-9]{1,9})\s*")


def header_line(vectors: Vectors) -> bytes:
    """Return the line for these vectors, line end included."""
    return f"{len(vectors)} {vectors.vector_size}\n".encode()


def parse_header(line: bytes) -> tuple[int, int] | None:
    """Return words and dim, or None if this is no such line."""
    match = _HEADER.fullmatch(line)
    if match is None or not int(match[1]) or not int(match[2]):
        return None
    return int(match[1]), int(match[2])


def read_header(file: IO[bytes], path: Path) -> tuple[int, int]:
    """Read words and dim, and leave the file at what comes after.

    Raises:
        FormatError: if the first line is not two positive integers.
    """
    line = file.readline(1000)
    header = parse_header(line)
    if header is None:
        raise FormatError(
            f"{path}: expected a first line with the numbers of words and dimensions, found {line[:60]!r}"
        )
    return header

"""word2vec's binary format: a line ``words dim``, then of each word its bytes, a blank, little-endian float32s.

word2vec.c ends each vector by a line end, gensim does not; both are read, and word2vec.c's form is written.
"""

from __future__ import annotations

import io
import mmap
from pathlib import Path
from typing import IO

import numpy as np

from embtrain.errors import FormatError
from embtrain.formats.files import reading, writing
from embtrain.formats.header import header_line, read_header
from embtrain.formats.words import check_no_blanks, utf8_words
from embtrain.vectors import Vectors

_LINE_END = b"\n"[0]


def write(vectors: Vectors, path: Path) -> None:
    """Write vectors; counts are not kept.

    Raises:
        FormatError: if a word holds a blank.
    """
    check_no_blanks(utf8_words(vectors.index_to_key, path), path)
    with writing(path) as file:
        file.write(header_line(vectors))
        for word, vector in zip(vectors.index_to_key, vectors.matrix, strict=True):
            file.write(b"%b %b\n" % (word.encode(), vector.astype("<f4", copy=False).tobytes()))


def read(path: Path) -> Vectors:
    """Read vectors that word2vec or gensim wrote.

    Raises:
        FormatError: if the file is not in this format, or ends before or after the words it says it has.
    """
    with reading(path) as file:
        words, dim = read_header(file, path)
        content = _content(file)
        # A word has one byte at least, and a blank after it.
        if words * (2 + 4 * dim) > len(content):
            raise FormatError(
                f"{path} has {len(content)} bytes, too few for the {words} words of {dim} numbers "
                f"that its first line says: it was cut short, or is not in this format"
            )
        return _parse(content, file.tell() if isinstance(content, mmap.mmap) else 0, words, dim, path)


def _content(file: IO[bytes]) -> bytes | mmap.mmap:
    """Return the rest of a compressed file, or all of another one without copying it."""
    if isinstance(file, io.BufferedReader):
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return file.read()


def _parse(content: bytes | mmap.mmap, start: int, words: int, dim: int, path: Path) -> Vectors:
    names = []
    matrix = np.empty((words, dim), dtype=np.float32)
    for row in range(words):
        blank = content.find(b" ", start)
        end = blank + 1 + 4 * dim
        if blank < 0 or end > len(content):
            raise FormatError(f"{path} ends after {row} of {words} words: it was cut short")
        names.append(content[start:blank].decode())
        matrix[row] = np.frombuffer(content[blank + 1 : end], dtype="<f4")
        start = end + (end < len(content) and content[end] == _LINE_END)
    if start != len(content):
        raise FormatError(f"{path} goes on for {len(content) - start} bytes after its {words} words")
    return Vectors(names, matrix)

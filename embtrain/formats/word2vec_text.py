"""word2vec's text format: a line ``words dim``, then a word and its numbers a line."""

from __future__ import annotations

from pathlib import Path

from embtrain.errors import FormatError
from embtrain.formats.files import reading, writing
from embtrain.formats.header import header_line, read_header
from embtrain.formats.lines import read_lines, write_lines
from embtrain.vectors import Vectors


def write(vectors: Vectors, path: Path) -> None:
    """Write vectors; counts are not kept.

    Raises:
        FormatError: if a word holds a blank.
    """
    with writing(path) as file:
        file.write(header_line(vectors))
        write_lines(vectors, file, path)


def read(path: Path) -> Vectors:
    """Read vectors that word2vec, gensim or fastText wrote.

    Raises:
        FormatError: if the file is not in this format, or holds fewer or more words than it says.
    """
    with reading(path) as file:
        words, dim = read_header(file, path)
        vectors = read_lines(file, path, dim)
    if len(vectors) != words:
        raise FormatError(f"{path} has {len(vectors)} words, but its first line says {words}: it was cut short")
    return vectors

"""GloVe's text format: a word and its numbers a line, without a header."""

from __future__ import annotations

from pathlib import Path

from embtrain.formats.files import reading, writing
from embtrain.formats.lines import read_lines, write_lines
from embtrain.vectors import Vectors


def write(vectors: Vectors, path: Path) -> None:
    """Write vectors; counts are not kept.

    Raises:
        FormatError: if a word holds a blank.
    """
    with writing(path) as file:
        write_lines(vectors, file, path)


def read(path: Path) -> Vectors:
    """Read vectors as Stanford's GloVe writes them. A file cut at a line end cannot be told from a whole one.

    Raises:
        FormatError: if a line is not a word and as many numbers as in the first line.
    """
    with reading(path) as file:
        return read_lines(file, path)

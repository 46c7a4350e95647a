"""A word and its numbers on each line, set apart by blanks: the body of word2vec's and GloVe's text files.

Numbers are written in the fewest digits that give the same float32 again.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from embtrain.errors import FormatError
from embtrain.formats.words import check_no_blanks, utf8_words
from embtrain.vectors import Vectors

_LINES_AT_A_TIME = 4096


def write_lines(vectors: Vectors, file: IO[bytes], path: Path) -> None:
    """Write a line per word; ``path`` is for messages.

    Raises:
        FormatError: if a word holds a blank.
    """
    words = utf8_words(vectors.index_to_key, path)
    check_no_blanks(words, path)
    for start in range(0, len(vectors), _LINES_AT_A_TIME):
        rows = vectors.matrix[start : start + _LINES_AT_A_TIME]
        columns = [pc.cast(pa.array(column), pa.string()) for column in np.ascontiguousarray(rows.T)]
        lines = pc.binary_join_element_wise(words.slice(start, len(rows)), *columns, " ")
        text = pc.binary_join(pa.ListArray.from_arrays([0, len(lines)], lines), "\n")
        file.write(text[0].as_buffer())
        file.write(b"\n")


def read_lines(file: IO[bytes], path: Path, dim: int | None = None) -> Vectors:
    """Read lines to the end of the file; a blank before the line end, as fastText writes it, is ignored.

    Args:
        file: seekable, at the first line.
        path: for messages.
        dim: numbers per line, where they are known. None: as many as in the first line.

    Raises:
        FormatError: if a line has another number of fields, or one is not a number.
    """
    body = file.tell()
    first = file.readline()
    file.seek(body)
    fields = first.rstrip().count(b" ")
    if not fields or dim not in (None, fields):
        raise FormatError(f"{path}: expected a word and {dim or 'its'} numbers a line, found {first[:60]!r}")
    words: list[str] = []
    blocks = []
    for batch in _parse(file, fields, trailing_blank=first.rstrip(b"\r\n").endswith(b" ")):
        check_no_blanks(batch.column(0), path)
        words.extend(batch.column(0).to_pylist())
        block = np.empty((batch.num_rows, fields), dtype=np.float32)
        for column in range(fields):
            block[:, column] = batch.column(1 + column).to_numpy(zero_copy_only=False)
        blocks.append(block)
    return Vectors(words, np.concatenate(blocks))


def _parse(file: IO[bytes], dim: int, *, trailing_blank: bool) -> csv.CSVStreamingReader:
    """Yield record batches: the word, then ``dim`` columns of float32."""
    numbers = [f"number {column}" for column in range(1, dim + 1)]
    return csv.open_csv(
        file,
        # One thread is as fast as two, and its messages say in which row.
        csv.ReadOptions(column_names=["word", *numbers] + ["end of line"] * trailing_blank, use_threads=False),
        csv.ParseOptions(delimiter=" ", quote_char=False),
        csv.ConvertOptions(
            column_types={"word": pa.string(), **dict.fromkeys(numbers, pa.float32())},
            include_columns=["word", *numbers],
            null_values=[],
        ),
    )

"""Parquet: columns ``word`` (string), ``count`` (int64, null where unknown), ``vector`` (list of float32)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embtrain.errors import FormatError
from embtrain.formats.files import errors_named, finished
from embtrain.formats.words import utf8_words
from embtrain.vectors import Floats, Vectors

_ROWS_AT_A_TIME = 2**16


def write(vectors: Vectors, path: Path) -> None:
    """Write words, counts and vectors, in row groups of which readers need to hold only one.

    Raises:
        FormatError: if a word has no UTF-8 form.
    """
    words = utf8_words(vectors.index_to_key, path)
    counts = pa.nulls(len(words), pa.int64()) if vectors.counts is None else pa.array(vectors.counts)
    vector_type = pa.list_(pa.float32(), vectors.vector_size)
    schema = pa.schema([("word", pa.string()), ("count", pa.int64()), ("vector", vector_type)])
    with finished(path) as unfinished, pq.ParquetWriter(unfinished, schema, compression="zstd") as writer:
        for start in range(0, len(words), _ROWS_AT_A_TIME):
            rows = slice(start, start + _ROWS_AT_A_TIME)
            numbers = pa.array(vectors.matrix[rows].ravel())
            block = pa.FixedSizeListArray.from_arrays(numbers, type=vector_type)
            writer.write_batch(pa.record_batch([words[rows], counts[rows], block], schema=schema))


def read(path: Path) -> Vectors:
    """Read what ``write`` wrote, or Spark from columns of these names; ``count`` may be left out.

    Raises:
        FormatError: if the file is damaged, lacks a column, or its vectors differ in length.
    """
    with errors_named(path), pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        if not {"word", "vector"} <= set(schema.names) or not _holds_vectors(schema.field("vector").type):
            raise FormatError(
                f"{path}: expected columns 'word' and 'vector', a list of float32, "
                f"found {', '.join(f'{field.name} {field.type}' for field in schema)}"
            )
        columns = [name for name in ("word", "count", "vector") if name in schema.names]
        table = pa.Table.from_batches(file.iter_batches(_ROWS_AT_A_TIME, columns=columns))
        return Vectors(table["word"].to_pylist(), _matrix(table["vector"], path), _counts(table))


def _holds_vectors(kind: pa.DataType) -> bool:
    is_list = pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(is_list and pa.types.is_floating(kind.value_type))


def _matrix(vectors: pa.ChunkedArray, path: Path) -> Floats:
    """Return a column of V lists as a matrix ``(V, D)``."""
    lengths = pc.min_max(pc.list_value_length(vectors)).as_py()
    if vectors.null_count or lengths["min"] != lengths["max"]:
        raise FormatError(
            f"{path}: expected vectors of one length, found {vectors.null_count} nulls "
            f"and lengths from {lengths['min']} to {lengths['max']}"
        )
    blocks = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in vectors.chunks]
    return np.concatenate(blocks, dtype=np.float32).reshape(len(vectors), -1)


def _counts(table: pa.Table) -> NDArray[np.int64] | None:
    if "count" not in table.column_names or table["count"].null_count:
        return None
    counts: NDArray[np.int64] = table["count"].to_numpy()
    return counts

"""Columns of tables as strings, from Parquet, JSON lines, CSV or TSV, without Spark."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj
import pyarrow.parquet as pq
from pyarrow import csv, fs

from embtrain.errors import ConfigError, CorpusError
from embtrain.storage import Location

FORMATS = ("csv", "tsv", "json", "parquet")
"""Formats of ``corpus`` that have columns, and need no Spark."""

# Read at a time, and so the longest row of CSV, TSV and JSON lines.
_BLOCK_BYTES = 1 << 26

_WRITTEN_AS_STRINGS = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_integer,
    pa.types.is_boolean,
    pa.types.is_null,
)


def read_columns(
    paths: Sequence[str], file_format: str, columns: Mapping[str, str], *, encoding: str = "utf-8"
) -> pa.Table:
    """Read some columns of the files that paths, folders and globs stand for, in their order.

    Args:
        paths: on a disk or any file system of pyarrow; globs on a disk only. Of a folder, all files below it that
            are not hidden, such as a table that Spark wrote.
        file_format: one of ``FORMATS``.
        columns: what each column shall be called, and how the files call it.
        encoding: of CSV and TSV files.

    Returns:
        The columns, as strings; whole numbers and booleans as they are written.

    Raises:
        ConfigError: for another format.
        CorpusError: if a path leads to no file, a file cannot be read, a column is missing, or is of another type.
    """
    if file_format not in FORMATS:
        raise ConfigError(
            f"corpus.format: for embtrain classify expected one of {', '.join(FORMATS)}, found {file_format!r}; "
            "a table of Spark can be read as a folder of Parquet files"
        )
    tables = []
    for file in (file for path in paths for file in _files(path)):
        try:
            there, table = _read(file, file_format, set(columns.values()), encoding)
        except (pa.ArrowException, OSError, UnicodeError) as error:
            reason = str(error).partition("\n")[0]
            if "block size" in reason:
                reason = f"a row is longer than {_BLOCK_BYTES:,} bytes; Parquet may hold longer ones"
            raise CorpusError(f"cannot read {file} as {file_format} in {encoding}: {reason}") from None
        _require_columns(file, columns.values(), there)
        tables.append(pa.table({name: _strings(table[column], column, file) for name, column in columns.items()}))
    return pa.concat_tables(tables)


def _files(path: str) -> Iterator[Location]:
    """Yield the files of a path in the order of their names.

    Raises:
        CorpusError: if there is none.
    """
    found = [file for entry in (_on_disk(path) or [path]) for file in _below(Location.of(entry))]
    if not found:
        raise CorpusError(f"there is no file at {path}; corpus.paths must name files, folders or globs that exist")
    yield from found


def _on_disk(pattern: str) -> list[str]:
    # Path.glob takes no absolute pattern.
    return sorted(glob.glob(pattern))  # noqa: PTH207


def _below(location: Location) -> Iterator[Location]:
    kind = location.filesystem.get_file_info(location.path).type
    if kind == fs.FileType.File:
        yield location
    elif kind == fs.FileType.Directory:
        infos = location.filesystem.get_file_info(fs.FileSelector(location.path, recursive=True))
        for info in sorted(infos, key=lambda info: info.path):
            below = info.path.removeprefix(location.path).strip("/")
            if info.type == fs.FileType.File and not any(part[0] in "_." for part in below.split("/")):
                yield location / below


def _read(file: Location, file_format: str, wanted: set[str], encoding: str) -> tuple[list[str], pa.Table]:
    """Return the names of a file's columns, and the wanted ones among them or more."""
    if file_format == "parquet":
        with pq.ParquetFile(file.path, filesystem=file.filesystem) as parquet:
            there = parquet.schema_arrow.names
            return there, parquet.read([column for column in there if column in wanted])
    # Compressed files are told by their names.
    with file.filesystem.open_input_stream(file.path) as stream:
        if file_format == "json":
            table = pj.read_json(stream, pj.ReadOptions(block_size=_BLOCK_BYTES))
        else:
            table = _read_delimited(stream, file_format, wanted, encoding)
    return table.column_names, table


def _read_delimited(stream: pa.NativeFile, file_format: str, wanted: set[str], encoding: str) -> pa.Table:
    """Read CSV or TSV as ``embtrain prepare`` does: a header, and quotes of TSV that are text like all else."""
    is_csv = file_format == "csv"
    return csv.read_csv(
        stream,
        csv.ReadOptions(encoding=encoding, block_size=_BLOCK_BYTES),
        csv.ParseOptions(
            delimiter="," if is_csv else "\t", quote_char='"' if is_csv else False, newlines_in_values=is_csv
        ),
        csv.ConvertOptions(column_types=dict.fromkeys(wanted, pa.string())),
    )


def _require_columns(file: Location, wanted: Iterable[str], there: Sequence[str]) -> None:
    for column in wanted:
        if there.count(column) != 1:
            raise CorpusError(
                f"{file} has {there.count(column) or 'no'} columns {column!r}; set corpus.text_column and "
                f"classify.label_column to two of: {', '.join(filter(None, there)) or 'none'}"
            )


def _strings(values: pa.ChunkedArray, column: str, file: Location) -> pa.ChunkedArray:
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    if not any(is_kind(kind) for is_kind in _WRITTEN_AS_STRINGS):
        raise CorpusError(f"{file}: the column {column!r} holds {kind}; expected strings, whole numbers or booleans")
    return pc.cast(values, pa.string())

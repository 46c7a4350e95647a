"""What a corpus is made from: files on any file system that Spark reaches, or tables that Spark knows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, StringType

from embtrain.config import CorpusSettings
from embtrain.errors import CorpusError, SetupError

# What Spark would read as text without a word of complaint.
_ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tbz2", ".tar.zst", ".tzst")
_UNKNOWN_CODECS = (".xz", ".txz", ".lzma", ".lz", ".lzo", ".br", ".z", ".gzip", ".bzip2", ".zstd")
_NOT_TEXT = (*_ARCHIVES, *_UNKNOWN_CODECS, ".parquet", ".orc", ".avro")


@dataclass(frozen=True)
class SourceFile:
    """A file of the corpus; it counts as changed when its size or time of modification does."""

    path: str
    bytes: int
    modified: int
    """Milliseconds since 1970."""


@dataclass(frozen=True)
class SourceTable:
    """A table of the corpus; it counts as changed when its texts do, whatever their order."""

    path: str
    """Its name."""
    rows: int
    hash: str
    """Sum of 64-bit hashes of the texts."""


Sources = Sequence[SourceFile] | Sequence[SourceTable]


def list_sources(spark: SparkSession, corpus: CorpusSettings) -> Sources:
    """Find what the paths of a corpus stand for, by path.

    Raises:
        CorpusError: for a path that leads to nothing that can be read, and if all files are empty.
        SetupError: if a package that the format needs is not installed.
    """
    if corpus.format == "wikipedia" and not find_spec("mwparserfromhell"):
        raise SetupError("corpus.format=wikipedia needs mwparserfromhell; run: pip install 'embtrain[wikipedia]'")
    if corpus.format == "table":
        return [_table(spark, name, corpus.text_column) for name in sorted(set(corpus.paths))]
    files = list_files(spark, corpus.paths)
    if corpus.format != "parquet":
        _require_text(files)
    return files


def list_files(spark: SparkSession, paths: list[str]) -> list[SourceFile]:
    """Find the files that paths, folders (with all below them) and globs stand for, by path.

    Hidden files (``.x``, ``_x``) are left out, and a file that is named twice is read once.

    Raises:
        CorpusError: for a path that leads to no file, and if all files are empty.
    """
    found = {file.path: file for path in paths for file in _files_of(spark, path)}
    if not any(file.bytes for file in found.values()):
        raise CorpusError(f"the corpus {', '.join(paths)} is empty: its {len(found)} files hold no text")
    return [found[path] for path in sorted(found)]


def describe(sources: Sources) -> list[dict[str, Any]]:
    """Return what a fingerprint of the sources is to be made from."""
    return [asdict(source) for source in sources]


def literal(path: str) -> str:
    """Return a path so that Spark, which takes the paths it reads for globs, finds the file of that very name."""
    return re.sub(r"[][{}*?\\]", r"\\\g<0>", path)


def text_in(frame: DataFrame, column: str, where: str) -> Column:
    """Return a frame's column of text, whatever characters its name has.

    Raises:
        CorpusError: if it is not there, naming the columns that are, or holds no text.
    """
    if column not in frame.columns:
        raise CorpusError(
            f"no column {column!r} in {where}; set corpus.text_column to one of: {', '.join(frame.columns) or 'none'}"
        )
    kind = frame.schema[column].dataType
    if not isinstance(kind, StringType | BinaryType):
        raise CorpusError(f"the column {column!r} of {where} must hold text, found {kind.simpleString()}")
    return F.col("`" + column.replace("`", "``") + "`").cast("string")


@contextmanager
def explained_read_errors() -> Iterator[None]:
    """Say in one sentence which file Spark could not read, and why.

    Raises:
        CorpusError: instead of the error that holds Java's stack trace.
    """
    try:
        yield
    except Py4JJavaError as error:
        cause = error.java_exception
        found = re.search(r"FAILED_READ_FILE.* reading file (.+?)\.\s", cause.toString())
        if not found:
            raise
        while cause.getCause():
            cause = cause.getCause()
        reason = " ".join((cause.getMessage() or cause.toString()).split())
        raise CorpusError(f"cannot read {found[1]}: {reason}; repair or remove it") from None


def _table(spark: SparkSession, name: str, column: str) -> SourceTable:
    if not spark.catalog.tableExists(name):
        known = ", ".join(sorted(table.name for table in spark.catalog.listTables())) or "none"
        raise CorpusError(f"Spark knows no table {name!r} (corpus.paths); in the current database there are: {known}")
    frame = spark.table(name)
    # Decimals cannot overflow here, and unlike an exclusive or they see a text that is there twice.
    hashes = F.xxhash64(text_in(frame, column, f"the table {name}")).cast("decimal(20, 0)")
    rows, total = frame.agg(F.count(F.lit(1)), F.sum(hashes)).head() or (0, 0)
    if not rows:
        raise CorpusError(f"the table {name} is empty")
    return SourceTable(name, rows, str(total))


def _require_text(files: list[SourceFile]) -> None:
    for file in files:
        if file.path.lower().endswith(_NOT_TEXT):
            raise CorpusError(
                f"{file.path} is not text; unpack it, compress it as .gz, .bz2 or .zst, "
                "or read Parquet with corpus.format=parquet"
            )


def _files_of(spark: SparkSession, path: str) -> list[SourceFile]:
    jvm: Any = spark.sparkContext._jvm  # noqa: SLF001 - Hadoop's file systems are reached no other way
    hadoop = spark.sparkContext._jsc.hadoopConfiguration()  # noqa: SLF001
    try:
        pattern = jvm.org.apache.hadoop.fs.Path(path)
        filesystem = pattern.getFileSystem(hadoop)
        entries = filesystem.globStatus(pattern) or []
        files = [file for entry in entries for file in _files_below(filesystem, entry)]
    except Py4JJavaError as error:
        raise CorpusError(f"cannot read the corpus {path}: {error.java_exception.getMessage()}") from None
    if not files and entries:
        raise CorpusError(f"no files in {path}; names that begin with . or _ are skipped")
    if not files:
        raise CorpusError(f"no corpus at {path}; corpus.paths must name files, folders or globs that exist")
    return files


def _files_below(filesystem: Any, entry: Any) -> list[SourceFile]:
    # The root of a file system has no name.
    if entry.getPath().getName().startswith((".", "_")):
        return []
    if entry.isDirectory():
        return [file for child in filesystem.listStatus(entry.getPath()) for file in _files_below(filesystem, child)]
    return [SourceFile(entry.getPath().toString(), entry.getLen(), entry.getModificationTime())]

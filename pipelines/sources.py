"""The corpus: text files on any file system that Spark reaches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from embtrain.config import CorpusSettings
from embtrain.errors import CorpusError


@dataclass(frozen=True)
class SourceFile:
    """A file of the corpus; it counts as changed when its size or time of modification does."""

    path: str
    bytes: int
    modified: int
    """Milliseconds since 1970."""


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


def literal(path: str) -> str:
    """Return a path so that Spark, which takes the paths it reads for globs, finds the file of that very name."""
    return re.sub(r"[][{}*?\\]", r"\\\g<0>", path)


def describe(files: list[SourceFile]) -> list[dict[str, Any]]:
    """Return what a fingerprint of the files is to be made from."""
    return [asdict(file) for file in files]


def read_documents(spark: SparkSession, files: list[SourceFile], corpus: CorpusSettings) -> DataFrame:
    """Read the documents of files, decompressed as their names say.

    Paragraphs are cut at two line feeds; at lines that only look empty ``pipelines.sentences`` cuts
    later, since Spark knows fixed separators only.

    Returns:
        ``text STRING``: a document a row, empty ones left out, spread evenly over the cores.
    """
    separator = "\n" if corpus.format == "lines" else "\n\n"
    paths = [literal(file.path) for file in files]
    texts = spark.read.text(paths, lineSep=separator).withColumnRenamed("value", "text")
    documents = texts.filter(F.trim("text") != "")
    parallelism = spark.sparkContext.defaultParallelism
    if documents.rdd.getNumPartitions() >= 2 * parallelism:
        return documents
    # Few files, or one compressed file that only one task can read: spread its lines by hash, at once.
    return documents.repartition(4 * parallelism, "text")


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
        found = re.search(r"FAILED_READ_FILE.* reading file (\S+?)\.?\s", cause.toString())
        if not found:
            raise
        while cause.getCause():
            cause = cause.getCause()
        raise CorpusError(f"cannot read {found[1]}: {cause.getMessage()}; repair it or take it away") from None


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
    if not files:
        raise CorpusError(f"no corpus at {path}; corpus.paths must name files, folders or globs that exist")
    return files


def _files_below(filesystem: Any, entry: Any) -> list[SourceFile]:
    name = entry.getPath().getName()
    if name[0] in "._":
        return []
    if entry.isDirectory():
        return [file for child in filesystem.listStatus(entry.getPath()) for file in _files_below(filesystem, child)]
    return [SourceFile(entry.getPath().toString(), entry.getLen(), entry.getModificationTime())]

"""A corpus that every machine with Python has: the docstrings of its modules, classes and functions."""

from __future__ import annotations

import ast
import gc
import re
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

# Packages installed below the standard library are roots of their own; tests document nothing.
_LEFT_OUT = {"site-packages", "dist-packages", "test", "tests", "testing"}

_PARAGRAPH_BREAK = re.compile(r"\n\s*\n")

# Many small tasks: files differ in size by a factor of thousand, and cores should finish together.
_TASKS_PER_CORE = 16

_Definition = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def find_modules() -> list[Path]:
    """List the source files of the standard library and of the installed packages, by path."""
    paths = sysconfig.get_paths()
    roots = {Path(paths[kind]) for kind in ("stdlib", "purelib", "platlib")}
    return sorted(path for root in roots for path in root.rglob("*.py") if _is_wanted(path.relative_to(root)))


def collect_paragraphs(spark: SparkSession, modules: list[Path]) -> DataFrame:
    """Read the docstrings of source files.

    Args:
        spark: a local session: its tasks read the driver's files.
        modules: files; those that Python cannot parse are passed over.

    Returns:
        ``value STRING``: a paragraph of a docstring a row, on one line.
    """
    paths = spark.createDataFrame(pa.table({"path": [str(path) for path in modules]}))
    spread = paths.repartition(_TASKS_PER_CORE * spark.sparkContext.defaultParallelism)
    return spread.mapInArrow(_paragraphs_of_files, "value STRING")


def paragraphs(source: bytes) -> list[str]:
    """Return the paragraphs of all docstrings of a module's source, dedented, each on one line."""
    if b'"""' not in source and b"'''" not in source:
        return []
    with warnings.catch_warnings():
        # Of others' code: invalid escapes and the like.
        warnings.simplefilter("ignore")
        try:
            module = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError):
            return []
    docstrings = (ast.get_docstring(definition) or "" for definition in _definitions(module))
    texts = (text for docstring in docstrings for text in _PARAGRAPH_BREAK.split(docstring))
    return [line for text in texts if (line := " ".join(text.split()))]


def _is_wanted(path: Path) -> bool:
    return _LEFT_OUT.isdisjoint(path.parts)


def _definitions(module: ast.Module) -> Iterator[_Definition]:
    """Yield what may have a docstring, without looking into expressions: most of a tree is those."""
    pending: list[ast.AST] = [module]
    while pending:
        node = pending.pop()
        if isinstance(node, _Definition):
            yield node
        pending.extend(child for child in getattr(node, "body", ()) if hasattr(child, "body"))


def _paragraphs_of_files(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    # Syntax trees have no cycles to find, and so many nodes that looking for some takes most of the time.
    gc.disable()
    try:
        for batch in batches:
            found = [line for path in batch.column(0).to_pylist() for line in paragraphs(Path(path).read_bytes())]
            yield pa.record_batch({"value": pa.array(found, pa.string())})
    finally:
        gc.enable()

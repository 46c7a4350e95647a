"""Vectors in fewer bytes, and what that costs in quality."""

from __future__ import annotations

from pathlib import Path

from embtrain import formats
from embtrain.config import EvaluateSettings
from embtrain.errors import FormatError
from embtrain.evaluation import evaluate
from embtrain.evaluation.fidelity import Fidelity, compare
from embtrain.formats.tensors import Precision
from embtrain.subword_vectors import SubwordVectors
from embtrain.vectors import Vectors


def write_small(
    vectors: Vectors,
    path: str | Path,
    file_format: str,
    *,
    precision: Precision,
    trim: bool,
    settings: EvaluateSettings,
) -> Fidelity:
    """Write vectors at a precision, read them again, and compare.

    Args:
        vectors: what to write.
        path: on a local disk.
        file_format: a key of :data:`embtrain.formats.FORMATS`.
        precision: as of :func:`embtrain.formats.write`.
        trim: leave out n-grams that no word of the vocabulary has.
        settings: files to measure the vectors on, before and after.

    Raises:
        FormatError: if the format has no such precision, there are no n-grams to trim, or a file cannot be read or
            written.
    """
    small = vectors
    if trim:
        if not isinstance(vectors, SubwordVectors):
            raise FormatError("there are no n-grams to leave out: these are vectors of words alone")
        small = vectors.trimmed()
    # First, for it reads the files that may not be there.
    before = evaluate(vectors, settings)
    formats.write(small, path, file_format, precision)
    after = formats.read(path, file_format)
    return compare(vectors, after, before, evaluate(after, settings))


def size_on_disk(path: str | Path) -> int:
    """Return the bytes of a file, or of all files of a folder."""
    path = Path(path)
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")))

"""A folder: ``vectors.safetensors``, ``vocabulary.parquet`` and, written last, ``metadata.json``.

The form in which MLflow keeps vectors: exact, with counts, quick to load, and without anything pickled. The
vocabulary has the columns of a snapshot's.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

import embtrain
from embtrain.errors import FormatError
from embtrain.formats.files import errors_named, finished
from embtrain.formats.words import utf8_words
from embtrain.schema import VOCABULARY
from embtrain.vectors import Floats, Vectors

TENSOR = "vectors.safetensors"
_VOCABULARY = "vocabulary.parquet"
_METADATA = "metadata.json"


def write(vectors: Vectors, path: Path) -> None:
    """Write words, counts and vectors.

    Raises:
        FormatError: if there is something of that name already, a word has no UTF-8 form, or the disk is full.
    """
    if path.exists():
        raise FormatError(f"{path} exists already; delete it, or choose the name of a new folder")
    columns = [
        pa.array(np.arange(len(vectors), dtype=np.int32)),
        utf8_words(vectors.index_to_key, path),
        pa.nulls(len(vectors), pa.int64()) if vectors.counts is None else pa.array(vectors.counts),
    ]
    with finished(path) as folder:
        folder.mkdir()
        try:
            save_file({"vectors": vectors.matrix}, folder / TENSOR)
        except SafetensorError as error:  # what the operating system said is in it, but it is no OSError
            raise FormatError(f"cannot write {path}: {error}") from None
        pq.write_table(pa.table(columns, schema=VOCABULARY.arrow_schema), folder / _VOCABULARY, compression="zstd")
        metadata = {"words": len(vectors), "dim": vectors.vector_size, "embtrain_version": embtrain.__version__}
        (folder / _METADATA).write_text(json.dumps(metadata, indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> Vectors:
    """Read what ``write`` wrote.

    Raises:
        FormatError: if a file is missing or damaged, or they do not belong together.
    """
    for name in (TENSOR, _VOCABULARY, _METADATA):
        if not (path / name).is_file():
            raise FormatError(f"{path} holds no {name}: it is no folder of vectors, or not a whole one")
    with errors_named(path / _METADATA):
        metadata = json.loads((path / _METADATA).read_text(encoding="utf-8"))
    with errors_named(path / _VOCABULARY):
        vocabulary = pq.read_table(path / _VOCABULARY)
        VOCABULARY.check(vocabulary.schema)
    matrix = _tensor(path / TENSOR)
    promised = [metadata.get("words"), metadata.get("dim")]
    if promised != list(matrix.shape):
        raise FormatError(f"{path}: {_METADATA} says words and dim are {promised}, {TENSOR} has {list(matrix.shape)}")
    counts = None if vocabulary["count"].null_count else vocabulary["count"].to_numpy()
    with errors_named(path):
        return Vectors(vocabulary["token"].to_pylist(), matrix, counts)


def _tensor(path: Path) -> Floats:
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise FormatError(f"{path} is cut short or damaged: {error}") from None
    if "vectors" not in tensors:
        raise FormatError(f"{path}: expected a tensor 'vectors', found {', '.join(tensors) or 'none'}")
    return tensors["vectors"]

"""A folder: ``vectors.safetensors``, ``vocabulary.parquet`` and, written last, ``metadata.json``.

The form in which MLflow keeps vectors: exact, with counts and n-grams, quick to load, and without anything pickled; and
with what takes texts apart, if that is known. The vocabulary has the columns of a snapshot's;
:mod:`embtrain.formats.tensors` lists the tensors. On wish it is small rather than exact.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError

import embtrain
from embtrain.errors import FormatError
from embtrain.formats.files import errors_named, finished
from embtrain.formats.tensors import Precision, Tensors, pack, unpack
from embtrain.formats.tokeniser_files import read_tokeniser, write_tokeniser
from embtrain.formats.words import utf8_words
from embtrain.schema import VOCABULARY
from embtrain.subword_vectors import SubwordVectors
from embtrain.tensor_file import map_tensors, write_tensors
from embtrain.vectors import Vectors

TENSOR = "vectors.safetensors"
_VOCABULARY = "vocabulary.parquet"
_METADATA = "metadata.json"


def write(vectors: Vectors, path: Path, precision: Precision = "full") -> None:
    """Write words, counts and vectors, and n-grams where there are any.

    Raises:
        FormatError: if there is something of that name already, a word has no UTF-8 form, a number is too large for
            the precision, or the disk is full.
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
            write_tensors(pack(vectors, precision), folder / TENSOR)
        except OSError as error:
            raise FormatError(f"cannot write {path}: {error.strerror}") from None
        pq.write_table(pa.table(columns, schema=VOCABULARY.arrow_schema), folder / _VOCABULARY, compression="zstd")
        write_tokeniser(vectors.tokeniser, folder)
        (folder / _METADATA).write_text(json.dumps(_metadata(vectors), indent=1) + "\n", encoding="utf-8")


def _metadata(vectors: Vectors) -> dict[str, Any]:
    metadata = {"words": len(vectors), "dim": vectors.vector_size, "embtrain_version": embtrain.__version__}
    if isinstance(vectors, SubwordVectors):
        metadata["subwords"] = {**asdict(vectors.subwords), "pruned": vectors.pruned}
    return metadata


def read(path: Path) -> Vectors:
    """Read what ``write`` wrote.

    Raises:
        FormatError: if a file is missing or damaged, or they do not belong together.
    """
    for name in (TENSOR, _VOCABULARY, _METADATA):
        if not (path / name).is_file():
            raise FormatError(f"{path} holds no {name}: it is no folder of vectors, or not a whole one")
    with errors_named(path / _METADATA):
        num_words, dim, subwords = _promises((path / _METADATA).read_text(encoding="utf-8"))
    with errors_named(path / _VOCABULARY):
        vocabulary = pq.read_table(path / _VOCABULARY)
        VOCABULARY.check(vocabulary.schema)
    words = vocabulary["token"].to_pylist()
    counts = None if vocabulary["count"].null_count else vocabulary["count"].to_numpy()
    with errors_named(path):
        vectors = unpack(_tensors(path / TENSOR), words, counts, dim=dim, subwords=subwords)
    if (num_words, dim) != vectors.matrix.shape:
        found = list(vectors.matrix.shape)
        raise FormatError(f"{path}: {_METADATA} says words and dim are {[num_words, dim]}, {TENSOR} has {found}")
    vectors.tokeniser = read_tokeniser(path)
    return vectors


def _promises(metadata: str) -> tuple[int, int, dict[str, Any] | None]:
    """Return the numbers of words and dimensions, and how words are taken apart, if they are.

    Raises:
        ValueError: if the metadata do not say so.
    """
    match json.loads(metadata):
        case {"words": int(num_words), "dim": int(dim), "subwords": dict(subwords)}:
            return num_words, dim, subwords
        case {"words": int(num_words), "dim": int(dim), **others} if "subwords" not in others:
            return num_words, dim, None
        case found:
            raise ValueError(f"expected the numbers of words and dim, found {str(found)[:60]}; it is damaged")


def _tensors(path: Path) -> Tensors:
    try:
        return map_tensors(path)
    except SafetensorError as error:
        raise FormatError(f"{path} is cut short or damaged: {error}") from None

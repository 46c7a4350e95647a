"""Vectors as named tensors, exact or small.

===================== ============================================== ==========================================
Tensor                Of                                             Shape
===================== ============================================== ==========================================
``vectors``           vectors of words                               ``(V, D)``
``words``             subword vectors: the words' own rows           ``(V, D)``
``buckets``           ... the rows of n-grams                        ``(B, D)``
``bucket_ids``        ... the buckets that these are of              ``(B,)`` int32, ascending
``output``            ... words as what is predicted, if known       ``(V, D)``
===================== ============================================== ==========================================

Each of them but ``bucket_ids`` is float32 or float16; or it is quantised, and three tensors stand for it:
``words.codes`` ``(V, M)`` uint8, ``words.centroids`` ``(M, 256, S)`` and ``words.lengths`` ``(V,)``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from embtrain.errors import FormatError
from embtrain.quantised_rows import QuantisedRows, Rows, quantise
from embtrain.subword_vectors import Subwords, SubwordVectors
from embtrain.vectors import Vectors

Precision = Literal["full", "float16", "quantised"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

# What the metadata say of subword vectors.
_SUBWORDS = {key: type(value) for key, value in {**asdict(Subwords(3, 6, 1)), "pruned": False}.items()}

Tensors = dict[str, NDArray[Any]]


def pack(vectors: Vectors, precision: Precision) -> Tensors:
    """Return what is to be kept; the output rows, which only training needs, at full precision alone.

    ``full`` leaves rows as they are, which may be small already.

    Raises:
        FormatError: if a number is too large for float16.
    """
    if not isinstance(vectors, SubwordVectors):
        return _PACK[precision]("vectors", vectors.matrix)
    packed = _PACK[precision]("words", vectors.word_rows) | _PACK[precision]("buckets", vectors.bucket_rows)
    if vectors.output_rows is not None and precision == "full":
        packed |= _as_they_are("output", vectors.output_rows)
    return {**packed, "bucket_ids": vectors.bucket_ids}


def unpack(
    tensors: Mapping[str, NDArray[Any]],
    words: Sequence[str],
    counts: NDArray[np.int64] | None,
    *,
    dim: int,
    subwords: Mapping[str, Any] | None,
) -> Vectors:
    """Return the vectors that tensors stand for.

    Args:
        tensors: as of ``pack``.
        words: the V words.
        counts: of the words; None if not known.
        dim: D.
        subwords: fields of ``Subwords``, and ``pruned``. None: vectors of words alone.

    Raises:
        FormatError: if a tensor is missing, or ``subwords`` has other keys, or values of another type.
        ValueError: if they do not fit together.
    """
    if subwords is None:
        return Vectors(words, _rows("vectors", tensors, dim)[:], counts)
    if {key: type(value) for key, value in subwords.items()} != _SUBWORDS:
        raise FormatError(f"the subwords of the metadata are {subwords}: those of another version")
    rule = {key: value for key, value in subwords.items() if key != "pruned"}
    return SubwordVectors(
        words,
        word_rows=_rows("words", tensors, dim),
        bucket_ids=_tensor("bucket_ids", tensors),
        bucket_rows=_rows("buckets", tensors, dim),
        output_rows=tensors.get("output"),
        counts=counts,
        pruned=subwords["pruned"],
        subwords=Subwords(**rule),
    )


def _as_they_are(name: str, rows: Rows) -> Tensors:
    if isinstance(rows, QuantisedRows):
        return {f"{name}.codes": rows.codes, f"{name}.centroids": rows.centroids, f"{name}.lengths": rows.lengths}
    return {name: np.ascontiguousarray(rows)}


def _halved(name: str, rows: Rows) -> Tensors:
    with np.errstate(over="ignore"):
        half = np.asarray(rows[:]).astype(np.float16)
    if not np.isfinite(half).all():
        largest = np.finfo(np.float16).max
        raise FormatError(f"numbers of {name} are beyond {largest:g}, the largest of float16; choose another precision")
    return {name: half}


def _quantised(name: str, rows: Rows) -> Tensors:
    return _as_they_are(name, rows if isinstance(rows, QuantisedRows) else quantise(rows))


_PACK: dict[Precision, Callable[[str, Rows], Tensors]] = {
    "full": _as_they_are,
    "float16": _halved,
    "quantised": _quantised,
}


def _rows(name: str, tensors: Mapping[str, NDArray[Any]], dim: int) -> Rows:
    if f"{name}.codes" not in tensors:
        return _tensor(name, tensors)
    parts = {part: _tensor(f"{name}.{part}", tensors) for part in ("codes", "centroids", "lengths")}
    return QuantisedRows(**parts, dim=dim)


def _tensor(name: str, tensors: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    if name not in tensors:
        raise FormatError(f"expected a tensor {name!r}, found {', '.join(tensors) or 'none'}")
    return tensors[name]

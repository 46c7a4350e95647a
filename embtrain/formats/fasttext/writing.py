"""Writing fastText's models, of the present version."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from embtrain.errors import FormatError
from embtrain.formats.fasttext.layout import (
    ARGUMENTS,
    DICTIONARY,
    ENTRY,
    MAGIC,
    SHAPE,
    SIGNATURE,
    VERSION,
    Arguments,
)
from embtrain.formats.fasttext.quantised import write_quantised
from embtrain.formats.files import writing
from embtrain.formats.tensors import Precision
from embtrain.formats.words import utf8_words
from embtrain.quantised_rows import QuantisedRows, Rows, quantise
from embtrain.subword_vectors import SubwordVectors
from embtrain.text.jamo import decompose
from embtrain.vectors import Floats, Vectors

_ROWS_AT_A_TIME = 2**14

_DENSE = b"\0"
_QUANTISED = b"\1"
_WORD = 0

_LARGEST_ARGUMENT = 2**31 - 1


def write(vectors: Vectors, path: Path, precision: Precision = "full") -> None:
    """Write a model that fastText and gensim load, and give the same vectors of words seen and unseen.

    A bucket without a row becomes one of zeros. What predicted words are to be is zeros, as before a training, unless
    the vectors have it. Words without counts get V, V - 1, … 1, as in gensim. Where n-grams are of jamo, words are
    written as jamo, and have to be looked up as ``embtrain.text.jamo.decompose`` spells them. Of the training's
    arguments, those not known are fastText's defaults.

    A quantised model has the rows that there are and no output matrix. fastText loads it, gensim does not. N-grams
    without a row do not count in the mean of an unseen word, which makes it longer, and leaves its direction.

    Raises:
        FormatError: if a word holds a zero byte, n-grams were pruned and shall not be quantised, or the precision is
            none of fastText's.
    """
    if precision == "float16":
        raise FormatError(f"cannot write {path}: models of fastText are of full precision or quantised, not float16")
    is_pruned = isinstance(vectors, SubwordVectors) and vectors.pruned
    if is_pruned and precision == "full":
        raise FormatError(
            f"cannot write {path}: fastText reads pruned n-grams only quantised; choose --precision quantised"
        )
    words = _words(vectors, path)
    counts = np.arange(len(vectors), 0, -1) if vectors.counts is None else vectors.counts
    arguments = Arguments(vectors.vector_size, min_count=min(int(counts.min()), _LARGEST_ARGUMENT))
    if isinstance(vectors, SubwordVectors):
        rule = vectors.subwords
        arguments = arguments._replace(buckets=rule.buckets, min_n=rule.min_n, max_n=rule.max_n)
    kept = _kept_buckets(vectors) if precision == "quantised" else None
    with writing(path) as file:
        file.write(SIGNATURE.pack(MAGIC, VERSION) + ARGUMENTS.pack(*arguments))
        file.write(DICTIONARY.pack(len(words), len(words), 0, int(counts.sum()), -1 if kept is None else len(kept)))
        file.writelines(
            word + b"\0" + ENTRY.pack(count, _WORD) for word, count in zip(words, counts.tolist(), strict=True)
        )
        if kept is not None:
            file.write(np.stack([kept, np.arange(len(kept))], axis=1).astype("<i4").data)
        if precision == "quantised":
            file.write(_QUANTISED)
            write_quantised(file, _quantised_input(vectors))
            _write_matrix(file, 0, arguments.dim, iter(()))
        else:
            _write_matrix(file, len(words) + arguments.buckets, arguments.dim, _input(vectors))
            _write_matrix(file, len(words), arguments.dim, _output(vectors))


def _words(vectors: Vectors, path: Path) -> list[bytes]:
    words = vectors.index_to_key
    if isinstance(vectors, SubwordVectors) and vectors.subwords.units == "jamo":
        words = [decompose(word) for word in words]
    unfit = pc.index(pc.match_substring(utf8_words(words, path), "\0"), True).as_py()
    if unfit >= 0:
        raise FormatError(f"{path}: word {words[unfit]!r} holds a zero, which ends a word in fastText's models")
    return [word.encode() for word in words]


def _write_matrix(file: IO[bytes], num_rows: int, dim: int, blocks: Iterator[Floats]) -> None:
    file.write(_DENSE + SHAPE.pack(num_rows, dim))
    for block in blocks:
        file.write(np.ascontiguousarray(block, "<f4").data)


def _input(vectors: Vectors) -> Iterator[Floats]:
    """Yield the rows of the words, then those of all buckets."""
    if not isinstance(vectors, SubwordVectors):
        yield vectors.matrix
        return
    yield from _blocks(vectors.word_rows)
    ids, rows, dim = vectors.bucket_ids, vectors.bucket_rows, vectors.vector_size
    for start in range(0, vectors.subwords.buckets, _ROWS_AT_A_TIME):
        end = min(start + _ROWS_AT_A_TIME, vectors.subwords.buckets)
        first, last = np.searchsorted(ids, [start, end])
        block: Floats = np.zeros((end - start, dim), np.float32)
        block[ids[first:last] - start] = rows[first:last]
        yield block


def _kept_buckets(vectors: Vectors) -> NDArray[np.int32] | None:
    """Return the buckets that have a row; None if all have, or there are no n-grams."""
    if not isinstance(vectors, SubwordVectors) or len(vectors.bucket_ids) == vectors.subwords.buckets:
        return None
    return vectors.bucket_ids


def _quantised_input(vectors: Vectors) -> QuantisedRows:
    """Return the rows of the words, then those of the buckets that have one, with the same centroids."""
    if not isinstance(vectors, SubwordVectors):
        return quantise(vectors.matrix)
    words, buckets = vectors.word_rows, vectors.bucket_rows
    if (
        isinstance(words, QuantisedRows)
        and isinstance(buckets, QuantisedRows)
        and np.array_equal(words.centroids, buckets.centroids)
    ):
        codes = np.concatenate([words.codes, buckets.codes])
        return replace(words, codes=codes, lengths=np.concatenate([words.lengths, buckets.lengths]))
    return quantise(np.concatenate([words[:], buckets[:]]))


def _output(vectors: Vectors) -> Iterator[Floats]:
    if isinstance(vectors, SubwordVectors) and vectors.output_rows is not None:
        yield from _blocks(vectors.output_rows)
        return
    for start in range(0, len(vectors), _ROWS_AT_A_TIME):
        yield np.zeros((min(_ROWS_AT_A_TIME, len(vectors) - start), vectors.vector_size), np.float32)


def _blocks(rows: Rows) -> Iterator[NDArray[np.floating]]:
    for start in range(0, len(rows), _ROWS_AT_A_TIME):
        yield rows[start : start + _ROWS_AT_A_TIME]

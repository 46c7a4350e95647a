"""Writing fastText's models, of the present version."""

from __future__ import annotations

from collections.abc import Iterator
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
from embtrain.formats.files import writing
from embtrain.formats.words import utf8_words
from embtrain.quantised_rows import Rows
from embtrain.subword_vectors import SubwordVectors
from embtrain.text.jamo import decompose
from embtrain.vectors import Floats, Vectors

_ROWS_AT_A_TIME = 2**14

_DENSE = b"\0"
_WORD = 0


def write(vectors: Vectors, path: Path) -> None:
    """Write a model that fastText and gensim load, and give the same vectors of words seen and unseen.

    A bucket without a row becomes one of zeros. What predicted words are to be is zeros, as before a training, unless
    the vectors have it. Words without counts get V, V - 1, … 1, as in gensim. Where n-grams are of jamo, words are
    written as jamo, and have to be looked up as ``embtrain.text.jamo.decompose`` spells them. Of the training's
    arguments, those not known are fastText's defaults.

    Raises:
        FormatError: if a word holds a zero byte, or n-grams were pruned.
    """
    words = _words(vectors, path)
    counts = np.arange(len(vectors), 0, -1) if vectors.counts is None else vectors.counts
    arguments = Arguments(vectors.vector_size, min_count=int(counts.min()))
    if isinstance(vectors, SubwordVectors):
        rule = vectors.subwords
        arguments = arguments._replace(buckets=rule.buckets, min_n=rule.min_n, max_n=rule.max_n)
    with writing(path) as file:
        file.write(SIGNATURE.pack(MAGIC, VERSION) + ARGUMENTS.pack(*arguments))
        file.write(DICTIONARY.pack(len(words), len(words), 0, int(counts.sum()), -1))
        file.writelines(
            word + b"\0" + ENTRY.pack(count, _WORD) for word, count in zip(words, counts.tolist(), strict=True)
        )
        _write_matrix(file, len(words) + arguments.buckets, arguments.dim, _input(vectors))
        _write_matrix(file, len(words), arguments.dim, _output(vectors))


def _words(vectors: Vectors, path: Path) -> list[bytes]:
    words = vectors.index_to_key
    if isinstance(vectors, SubwordVectors):
        if vectors.pruned:
            raise FormatError(f"cannot write {path}: fastText reads pruned n-grams only where they are quantised")
        if vectors.subwords.units == "jamo":
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


def _output(vectors: Vectors) -> Iterator[Floats]:
    if isinstance(vectors, SubwordVectors) and vectors.output_rows is not None:
        yield from _blocks(vectors.output_rows)
        return
    for start in range(0, len(vectors), _ROWS_AT_A_TIME):
        yield np.zeros((min(_ROWS_AT_A_TIME, len(vectors) - start), vectors.vector_size), np.float32)


def _blocks(rows: Rows) -> Iterator[NDArray[np.floating]]:
    for start in range(0, len(rows), _ROWS_AT_A_TIME):
        yield rows[start : start + _ROWS_AT_A_TIME]

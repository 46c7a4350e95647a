"""Reading fastText's models: the file is mapped, and of its matrices only the words' vectors take memory."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embtrain.errors import FormatError
from embtrain.formats.fasttext.cursor import Cursor, cursor
from embtrain.formats.fasttext.layout import (
    ARGUMENTS,
    DICTIONARY,
    DICTIONARY_OF_2016,
    ENTRY,
    MAGIC,
    OLDEST_VERSION,
    SHAPE,
    SIGNATURE,
    VERSION,
    Arguments,
    Kind,
    Loss,
)
from embtrain.formats.fasttext.quantised import read_quantised
from embtrain.quantised_rows import QuantisedRows, Rows
from embtrain.subword_vectors import Subwords, SubwordVectors
from embtrain.vectors import Vectors

logger = logging.getLogger(__name__)

_FLAG = Struct("<?")


@dataclass(frozen=True)
class _Dictionary:
    """Words, and what pruning has left."""

    words: list[bytes]
    counts: NDArray[np.int64]
    num_labels: int
    kept_buckets: NDArray[np.int32] | None
    """Bucket and row of each n-gram that pruning has left, ``(B, 2)``. None: nothing was pruned."""


def read(path: Path) -> Vectors:
    r"""Read a model, of any version since 2016; of a supervised one the words, without the labels.

    Matrices stay in the mapped file, which must stay while the vectors are used; only the words' vectors take memory. A
    word that is no UTF-8 is spelt with escapes, ``caf\xe9``, and keeps its vector.

    Raises:
        FormatError: if the file is cut short, damaged, or not fastText's. Sizes are compared with that of the file
            before memory is taken.
    """
    with cursor(path) as source:
        arguments, is_of_2016 = _read_arguments(source)
        dictionary = _read_dictionary(source, is_of_2016=is_of_2016)
        rows = _read_matrix(source, "the input matrix", has_flag=not is_of_2016)
        output = _read_matrix(source, "the output matrix", has_flag=not is_of_2016)
        if source.remaining:
            raise FormatError(f"{path} goes on for {source.remaining} bytes after its matrices")
        _check_shape(path, arguments, dictionary, rows)
        if dictionary.num_labels:
            logger.info("%s: a classifier; its %d labels are left out", path, dictionary.num_labels)
        return _vectors(arguments, dictionary, rows, output)


def _read_arguments(source: Cursor) -> tuple[Arguments, bool]:
    """Return the arguments, and whether the file is of 2016."""
    magic, version = source.take(SIGNATURE, "the signature")
    if magic == MAGIC and not OLDEST_VERSION <= version <= VERSION:
        raise FormatError(
            f"{source.path} is of version {version} of fastText's format; known are {OLDEST_VERSION} to {VERSION}"
        )
    if magic != MAGIC:
        source.position = 0
    arguments = Arguments(*source.take(ARGUMENTS, "the list of arguments"))
    if not arguments.are_plausible:
        raise FormatError(f"{source.path} is no model of fastText, or is damaged: no training has {arguments}")
    if magic == MAGIC and version == OLDEST_VERSION and arguments.kind == Kind.SUPERVISED:
        arguments = arguments._replace(max_n=0)
    return arguments, magic != MAGIC


def _read_dictionary(source: Cursor, *, is_of_2016: bool) -> _Dictionary:
    layout = DICTIONARY_OF_2016 if is_of_2016 else DICTIONARY
    size, num_words, num_labels, _, *pruned = source.take(layout, "the dictionary")
    num_kept = pruned[0] if pruned else -1
    # An entry is a zero, a count and a type at least.
    if min(num_words, num_labels) < 0 or num_words + num_labels != size or size * (1 + ENTRY.size) > source.remaining:
        raise FormatError(
            f"{source.path}: a dictionary of {size} entries, {num_words} words and {num_labels} labels, "
            f"with {source.remaining} bytes left: it was cut short or is damaged"
        )
    words, counts = _read_entries(source, size)
    kept = None if num_kept < 0 else source.take_array("<i4", (num_kept, 2), "the list of buckets")
    return _Dictionary(words[:num_words], counts[:num_words], num_labels, kept)


def _read_entries(source: Cursor, size: int) -> tuple[list[bytes], NDArray[np.int64]]:
    words: list[bytes] = []
    counts = np.empty(size, np.int64)
    content, start = source.content, source.position
    for entry in range(size):
        end = content.find(b"\0", start)
        if end < 0 or end + 1 + ENTRY.size > len(content):
            raise FormatError(f"{source.path} ends after {entry} of {size} words and labels: it was cut short")
        words.append(content[start:end])
        counts[entry], _ = ENTRY.unpack_from(content, end + 1)
        start = end + 1 + ENTRY.size
    source.position = start
    return words, counts


def _read_matrix(source: Cursor, what: str, *, has_flag: bool) -> Rows:
    if has_flag and source.take(_FLAG, what)[0]:
        return read_quantised(source, what)
    return source.take_array("<f4", source.take(SHAPE, what), what)


def _check_shape(path: Path, arguments: Arguments, dictionary: _Dictionary, rows: Rows) -> None:
    """Refuse an input matrix that is not of these words and buckets."""
    kept = dictionary.kept_buckets
    if not dictionary.words:
        raise FormatError(f"{path} holds no word")
    if kept is not None and not isinstance(rows, QuantisedRows):
        raise FormatError(f"{path}: its n-grams were pruned, but not quantised, which fastText cannot read either")
    expected = len(dictionary.words) + (arguments.buckets if kept is None else len(kept)), arguments.dim
    if rows.shape != expected:
        raise FormatError(f"{path}: expected an input matrix {expected}, found {rows.shape}: it is damaged")
    if kept is not None and kept.size and sorted(kept[:, 1].tolist()) != list(range(len(kept))):
        raise FormatError(f"{path}: two n-grams left by pruning have the same row, or one has none: it is damaged")


def _vectors(arguments: Arguments, dictionary: _Dictionary, rows: Rows, output: Rows) -> Vectors:
    words = [word.decode(errors="backslashreplace") for word in dictionary.words]
    # fastText writes words by descending count; where another tool did not, counts are of no use.
    counts = None if (np.diff(dictionary.counts) > 0).any() else dictionary.counts
    if not arguments.buckets or arguments.max_n < max(1, arguments.min_n):
        return Vectors(words, np.array(rows[: len(words)], np.float32), counts)
    has_output = arguments.kind != Kind.SUPERVISED and arguments.loss != Loss.HIERARCHICAL_SOFTMAX
    ngrams = _ngrams(arguments, dictionary, rows)
    return SubwordVectors(
        words,
        word_rows=_own_rows(dictionary, words, rows, ngrams),
        # A small model has none.
        output_rows=output if has_output and isinstance(output, np.ndarray) and output.size else None,
        counts=counts,
        **ngrams,
    )


def _ngrams(arguments: Arguments, dictionary: _Dictionary, rows: Rows) -> dict[str, Any]:
    """Return what :class:`SubwordVectors` is to know of n-grams."""
    num_words, kept = len(dictionary.words), dictionary.kept_buckets
    subwords = Subwords(max(1, arguments.min_n), arguments.max_n, arguments.buckets)
    if kept is None:
        buckets, wanted = np.arange(arguments.buckets, dtype=np.int32), slice(num_words, None)
        return {"bucket_ids": buckets, "bucket_rows": rows[wanted], "subwords": subwords}
    assert isinstance(rows, QuantisedRows)
    order = np.argsort(kept[:, 0])
    kept_rows = rows.take(num_words + kept[order, 1])
    return {"bucket_ids": kept[order, 0], "bucket_rows": kept_rows, "subwords": subwords, "pruned": True}


def _own_rows(dictionary: _Dictionary, words: list[str], rows: Rows, ngrams: dict[str, Any]) -> Rows:
    """Return the words' own rows, such that a word that is spelt with escapes keeps its vector.

    Its n-grams are others than those of its bytes, and its own row makes up for the difference.
    """
    num_words = len(words)
    own = rows.take(slice(0, num_words)) if isinstance(rows, QuantisedRows) else rows[:num_words]
    odd = [row for row, (raw, word) in enumerate(zip(dictionary.words, words, strict=True)) if raw != word.encode()]
    if not odd:
        return own
    logger.info("%d words are no UTF-8, the first spelt as %r", len(odd), words[odd[0]])
    # The file is mapped so that changes stay in memory.
    changed = own if isinstance(own, np.ndarray) and own.flags.writeable else np.array(own[:])
    beginning = SubwordVectors(words[:1], word_rows=own[:1], **ngrams)
    before, num_before = beginning.ngram_sums([dictionary.words[row].decode(errors="surrogateescape") for row in odd])
    after, num_after = beginning.ngram_sums([words[row] for row in odd])
    changed[odd] = (changed[odd] + before) * ((1 + num_after) / (1 + num_before))[:, None] - after
    return changed

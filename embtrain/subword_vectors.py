"""Vectors of words, and of the character n-grams that words never seen are made of.

Bojanowski et al. (2017): a word's vector is the mean of a row of its own and of the rows of its n-grams, each of
which is hashed to a bucket. A word out of the vocabulary has no row of its own, and the mean is that of its n-grams:

==============================  ============================================
To have                         one writes
==============================  ============================================
the vector of an unseen word    ``v["oranze"]``, as of any other
whether it has one              ``"oranze" in v``; of many words ``v.known([…])``
whether it is in the vocabulary ``"oranze" in v.key_to_index``
what it is similar to           ``v.most_similar("oranze")``
==============================  ============================================

Answers come from the vocabulary. Numbers are those of Facebook's fastText. As there, n-grams never seen share buckets
with others: a string that has nothing of the corpus may have a vector all the same, by chance.

Shapes: V words, B buckets that have a row, D numbers per vector, N words asked about, P n-grams of several words.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from embtrain.errors import UnknownWordError
from embtrain.quantised_rows import QuantisedRows, Rows
from embtrain.spelling import unknown_word
from embtrain.text.jamo import decompose
from embtrain.text.subwords import Units, subword_buckets
from embtrain.vectors import Floats, Vectors, read_only, scaled_to_length_one

# Numbers gathered at a time while n-grams are added up: 64 MB of them.
_GATHERED_AT_A_TIME = 2**24

_WORDS_AT_A_TIME = 2**16


@dataclass(frozen=True)
class Subwords:
    """How a word is taken apart: the settings ``subwords:`` of the snapshot that was trained on.

    Raises:
        ValueError: if there are no such units.
    """

    min_n: int
    """Characters of the shortest n-grams of ``<word>``."""
    max_n: int
    """Characters of the longest."""
    buckets: int
    """How many an n-gram can be hashed to."""
    units: Units = "syllables"
    """What n-grams have n of: characters, or the letters of Korean syllables."""

    def __post_init__(self) -> None:
        if self.units not in get_args(Units):
            raise ValueError(f"units: expected {' or '.join(get_args(Units))}, found {self.units!r}")

    def of(self, words: Sequence[str]) -> pa.ListArray:
        """Return the buckets of each word's n-grams. Bytes that are no UTF-8 can be had by ``surrogateescape``."""
        units = self.units
        try:
            spelled = pa.array(words, pa.string())
        except UnicodeEncodeError:
            if units == "jamo":
                words, units = [decompose(unicodedata.normalize("NFC", word)) for word in words], "syllables"
            spelled = pa.array([_as_bytes(word) for word in words], pa.binary()).view(pa.string())
        # Nothing is not to be made of its two marks; the end of a line has no n-grams.
        spelled = pc.if_else(pc.equal(spelled, ""), "</s>", spelled)
        return subword_buckets(spelled, min_n=self.min_n, max_n=self.max_n, buckets=self.buckets, units=units)


class SubwordVectors(Vectors):
    """Vectors of words, and of the n-grams that words never seen are made of (Bojanowski et al., 2017).

    Args:
        words: the V words, the most frequent first.
        word_rows: each word's own row, ``(V, D)``, of any float type, in memory, mapped from a file or quantised.
        bucket_ids: the buckets that have a row, ``(B,)`` int32, ascending.
        bucket_rows: their rows, ``(B, D)``, likewise.
        subwords: how a word is taken apart.
        output_rows: rows of the words as what is predicted, ``(V, D)``; with them others can go on training.
        counts: occurrences of each word in the corpus, ``(V,)`` int64; None where that is not known.
        pruned: an n-gram whose bucket has no row is left out of the mean, as in models that Facebook's fastText has
            pruned. False: it counts as a row of zeros, as one that training has never moved.

    Raises:
        ValueError: if lengths differ, buckets are not ascending or out of range, or :class:`Vectors` refuses the words.
    """

    def __init__(
        self,
        words: Sequence[str],
        *,
        word_rows: Rows | ArrayLike,
        bucket_ids: ArrayLike,
        bucket_rows: Rows | ArrayLike,
        subwords: Subwords,
        output_rows: ArrayLike | None = None,
        counts: ArrayLike | None = None,
        pruned: bool = False,
    ) -> None:
        self.word_rows: Rows = _as_rows(word_rows)
        self.bucket_ids: NDArray[np.int32] = read_only(np.ascontiguousarray(bucket_ids, np.int32))
        self.bucket_rows: Rows = _as_rows(bucket_rows)
        self.output_rows: Floats | None = None if output_rows is None else read_only(np.asanyarray(output_rows))
        self.subwords = subwords
        self.pruned = pruned
        _check(self, len(words))
        super().__init__(words, self._vectors_of_seen(words), counts)

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and bool(self.known([word])[0])

    def __repr__(self) -> str:
        return f"SubwordVectors({len(self)} words, {len(self.bucket_ids)} buckets of n-grams x {self.vector_size})"

    def __getitem__(self, words: str | Sequence[str]) -> Floats:
        """Return a word's vector ``(D,)``, or those of several words ``(N, D)``, seen or not.

        Raises:
            UnknownWordError: if none of a word's n-grams has a row; it names the closest spellings.
        """
        if isinstance(words, str) and self.spelled(words) in self.key_to_index:
            return super().__getitem__(words)
        rows = read_only(self._rows([words] if isinstance(words, str) else words))
        return rows[0] if isinstance(words, str) else rows

    def known(self, words: Sequence[str]) -> NDArray[np.bool_]:
        """Tell of each word whether it has a vector, ``(N,)``: it is in the vocabulary, or a bucket of its n-grams."""
        known = super().known(words)
        unseen = np.flatnonzero(~known)
        _, of_word, _ = self._parts([self.spelled(words[index]) for index in unseen.tolist()])
        known[unseen[np.unique(of_word)]] = True
        return known

    def _rows(self, words: Sequence[str]) -> Floats:
        words = [self.spelled(word) for word in words]
        ids = np.array([self.key_to_index.get(word, -1) for word in words], np.intp)
        rows = self.matrix[ids]
        unseen = np.flatnonzero(ids < 0)
        if unseen.size:
            rows[unseen] = self._vectors_of_unseen([words[index] for index in unseen.tolist()])
        return rows

    def _unit_rows(self, words: Sequence[str]) -> Floats:
        return scaled_to_length_one(self._rows(words))

    def _summands(self, words: Sequence[str]) -> Floats:
        """Return the vectors scaled to length 1, as of fastText's ``get_sentence_vector``."""
        return self._unit_rows(words)

    def trimmed(self) -> SubwordVectors:
        """Return these vectors without the rows of n-grams that no word of the vocabulary has."""
        used = np.zeros(len(self.bucket_ids), np.bool_)
        for start in range(0, len(self), _WORDS_AT_A_TIME):
            used[self._parts(self.index_to_key[start : start + _WORDS_AT_A_TIME])[0]] = True
        rows = self.bucket_rows
        trimmed = SubwordVectors(
            self.index_to_key,
            word_rows=self.word_rows,
            bucket_ids=self.bucket_ids[used],
            bucket_rows=rows.take(np.flatnonzero(used)) if isinstance(rows, QuantisedRows) else rows[used],
            subwords=self.subwords,
            output_rows=self.output_rows,
            counts=self.counts,
            pruned=self.pruned,
        )
        trimmed.tokeniser = self.tokeniser
        return trimmed

    def ngram_sums(self, words: Sequence[str]) -> tuple[Floats, Floats]:
        """Return the sums of the rows of each word's n-grams, ``(N, D)``, and how many there are, ``(N,)`` float32."""
        rows, of_word, num_parts = self._parts(words)
        return _sums(self.bucket_rows, rows, of_word, len(words)), num_parts

    def _vectors_of_seen(self, words: Sequence[str]) -> Floats:
        """Return the mean of each word's own row and those of its n-grams, ``(V, D)``."""
        vectors = np.empty(self.word_rows.shape, np.float32)
        for start in range(0, len(words), _WORDS_AT_A_TIME):
            some = slice(start, start + _WORDS_AT_A_TIME)
            sums, num_parts = self.ngram_sums(words[some])
            vectors[some] = (sums + self.word_rows[some]) / (num_parts[:, None] + np.float32(1))
        return vectors

    def _vectors_of_unseen(self, words: Sequence[str]) -> Floats:
        """Return the mean of the rows of each word's n-grams, ``(N, D)``.

        Raises:
            UnknownWordError: if none of a word's n-grams has a row.
        """
        rows, of_word, num_parts = self._parts(words)
        without = np.setdiff1d(np.arange(len(words)), of_word)
        if without.size:
            raise self._unknown(words[without[0]])
        return _sums(self.bucket_rows, rows, of_word, len(words)) / num_parts[:, None]

    def _parts(self, words: Sequence[str]) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
        """Take words apart.

        Returns:
            rows: of ``bucket_rows``, those of the P n-grams that have one, word by word. Shape ``(P,)``.
            of_word: which word each of them is of, ascending. Shape ``(P,)``.
            num_parts: how many n-grams each word's mean is over. Shape ``(N,)``, float32.
        """
        lists = self.subwords.of(words)
        buckets = lists.flatten().to_numpy(zero_copy_only=False)
        of_word = np.repeat(np.arange(len(words)), np.diff(lists.offsets.to_numpy()))
        rows = np.searchsorted(self.bucket_ids, buckets)
        found = np.append(self.bucket_ids, -1)[rows] == buckets
        counted = of_word[found] if self.pruned else of_word
        return rows[found], of_word[found], np.bincount(counted, minlength=len(words)).astype(np.float32)

    def _unknown(self, word: str) -> UnknownWordError:
        lengths = f"{self.subwords.min_n} to {self.subwords.max_n}"
        letters = "jamo" if self.subwords.units == "jamo" else "characters"
        return unknown_word(word, self.index_to_key, parts=f"n-grams of {lengths} {letters}")


def _as_bytes(word: str) -> bytes:
    """Return the bytes that a word stands for; halves of surrogate pairs that stand for none are left out."""
    try:
        return word.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return word.encode(errors="ignore")


def _as_rows(rows: Rows | ArrayLike) -> Rows:
    return rows if isinstance(rows, QuantisedRows) else read_only(np.asanyarray(rows))


def _sums(rows: Rows, wanted: NDArray[np.intp], of_word: NDArray[np.intp], num_words: int) -> Floats:
    """Add up the rows wanted by each word.

    Args:
        rows: ``(B, D)``.
        wanted: which of them. Shape ``(P,)``.
        of_word: for which word, ascending. Shape ``(P,)``.
        num_words: N.

    Returns:
        Shape ``(N, D)``, float32.
    """
    sums = np.zeros((num_words, rows.shape[1]), np.float32)
    at_a_time = max(1, _GATHERED_AT_A_TIME // rows.shape[1])
    for start in range(0, len(wanted), at_a_time):
        some = slice(start, start + at_a_time)
        words, first = np.unique(of_word[some], return_index=True)
        sums[words] += np.add.reduceat(rows[wanted[some]].astype(np.float32, copy=False), first, axis=0)
    return sums


def _check(vectors: SubwordVectors, num_words: int) -> None:
    """Refuse rows and buckets that do not fit together."""
    rows, ids, bucket_rows, output = vectors.word_rows, vectors.bucket_ids, vectors.bucket_rows, vectors.output_rows
    if len(rows.shape) != 2 or len(rows) != num_words:  # noqa: PLR2004 -- a matrix
        raise ValueError(f"expected a row for each of {num_words} words, found an array of shape {rows.shape}")
    expected: dict[str, tuple[Any, Any]] = {
        "bucket_rows": (bucket_rows.shape, (len(ids), rows.shape[1])),
        "output_rows": (rows.shape if output is None else output.shape, rows.shape),
    }
    for name, (found, wanted) in expected.items():
        if found != wanted:
            raise ValueError(f"{name}: expected shape {wanted}, found {found}")
    if ids.size and not (ids[0] >= 0 and ids[-1] < vectors.subwords.buckets and (np.diff(ids) > 0).all()):
        raise ValueError(f"buckets must be ascending and below {vectors.subwords.buckets}, each there once")
    # The extremes tell of any NaN or infinity, and take no memory; quantised rows have been checked.
    if isinstance(bucket_rows, np.ndarray) and bucket_rows.size:
        extremes: Any = bucket_rows.min(), bucket_rows.max()
        if not np.isfinite(extremes).all():
            raise ValueError("a row of an n-gram holds NaN or infinity")

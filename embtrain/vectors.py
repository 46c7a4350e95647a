"""Trained vectors, whatever trained them: look words up, and find words by similarity.

=====================================  ======================================================
To have                                one writes
=====================================  ======================================================
a word's vector                        ``v["king"]``; of several words ``v[["king", "queen"]]``
whether a word is known, how many are  ``"king" in v``, ``len(v)``
words by id, ids by word               ``v.index_to_key``, ``v.key_to_index``
the matrix, and scaled to length 1     ``v.matrix``, ``v.unit``
the most similar words                 ``v.most_similar("king")``
... of many words at once              ``v.nearest(["king", "car"])``
... of a vector                        ``v.similar_by_vector(v["king"] - v["man"])``
*man* is to *king* as *woman* is to    ``v.analogy("man", "king", "woman")``
how similar two words are              ``v.similarity("king", "queen")``
the mean of the words of texts         ``v.encode_texts(["The king is dead."])``
a folder that ``embtrain.load`` reads  ``v.save("folder")``
=====================================  ======================================================

Words cannot be added or changed. The names and their meaning are those of gensim's ``KeyedVectors``; similar words
come as ``[(word, similarity), …]``. :mod:`embtrain.keyed_queries` has more of them.

Shapes: V words, D numbers per vector, N queries.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain, compress
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embtrain.keyed_queries import KeyedQueries, as_list
from embtrain.spelling import unknown_word
from embtrain.text import Tokeniser, take_apart

Floats = NDArray[np.float32]
Neighbours = list[tuple[str, float]]
Query = str | ArrayLike | Sequence[str | ArrayLike]
_Array = TypeVar("_Array", bound=NDArray[Any])

# Similarities computed at a time when many queries are answered: 64 MB of them.
_SCORES_AT_A_TIME = 2**24

_WORDS_THAT_TELL_THE_FORM = 10_000


class Vectors(KeyedQueries):
    """Words and their vectors, read-only.

    Args:
        words: the V words, the most frequent first.
        matrix: their vectors in the same order, ``(V, D)``. Kept without a copy if C-contiguous float32.
        counts: occurrences of each word in the corpus, ``(V,)`` int64; None where that is not known.

    Raises:
        ValueError: if the lengths differ, a word comes twice, counts rise, or a value is not finite.
    """

    def __init__(self, words: Sequence[str], matrix: ArrayLike, counts: ArrayLike | None = None) -> None:
        self.index_to_key: list[str] = list(words)
        self.matrix: Floats = read_only(np.ascontiguousarray(matrix, dtype=np.float32))
        self.counts: NDArray[np.int64] | None = None
        if counts is not None:
            self.counts = read_only(np.ascontiguousarray(counts, dtype=np.int64))
        self.key_to_index: dict[str, int] = {word: index for index, word in enumerate(self.index_to_key)}
        _check(self)

    tokeniser: Tokeniser | None = None
    """Takes texts apart as the corpus of the words was; assigned by who knows it, kept by ``save`` and the registry."""

    def __len__(self) -> int:
        return len(self.index_to_key)

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and self.spelled(word) in self.key_to_index

    def __repr__(self) -> str:
        return f"Vectors({len(self)} words x {self.vector_size})"

    def __getitem__(self, words: str | Sequence[str]) -> Floats:
        """Return a word's vector ``(D,)``, or those of several words ``(N, D)``.

        Raises:
            UnknownWordError: naming the closest spellings.
        """
        if isinstance(words, str):
            found: Floats = self.matrix[self.index_of(words)]
            return found
        return self._rows(words)

    @property
    def vector_size(self) -> int:
        """Return D, the numbers per vector."""
        return int(self.matrix.shape[1])

    @cached_property
    def unit(self) -> Floats:
        """Return the vectors scaled to length 1, ``(V, D)``; a vector of zeros stays one.

        Computed when first needed, then kept: it takes as much memory as the matrix.
        """
        return read_only(scaled_to_length_one(self.matrix))

    def spelled(self, word: str) -> str:
        """Return a word as the vocabulary spells it, in whichever of Unicode's normal forms it was typed.

        A word that is there as it is stays so; any other is brought into the form that the frequent words are in, C
        where they are in both. Korean from macOS is in form D: 한 typed so is three characters, and looks the same.
        """
        if word.isascii() or word in self.key_to_index:
            return word
        return unicodedata.normalize(self._normal_form, word)

    def index_of(self, word: str) -> int:
        """Return a word's id: its row in the matrix.

        Raises:
            UnknownWordError: naming the closest spellings.
        """
        try:
            return self.key_to_index[self.spelled(word)]
        except KeyError:
            raise unknown_word(word, self.index_to_key) from None

    def known(self, words: Sequence[str]) -> NDArray[np.bool_]:
        """Tell of each word whether it has a vector, ``(N,)``: as ``in``, but for many words at once."""
        return np.fromiter((self.spelled(word) in self.key_to_index for word in words), np.bool_, len(words))

    def similarity(self, a: str, b: str) -> float:
        """Return the cosine of the angle between two words' vectors, -1 to 1; 0 for a vector of zeros."""
        first, second = self._unit_rows([a, b])
        return float(np.dot(first, second))

    def most_similar(
        self, positive: Query, negative: Query = (), topn: int = 10, restrict_vocab: int | None = None
    ) -> Neighbours:
        """Find the words most similar to the mean of the positive and the negated negative ones.

        Args:
            positive: a word, a vector ``(D,)``, or several of them. Words enter by their unit vectors,
                vectors as they are. Words that are asked about are not among the answers.
            negative: likewise.
            topn: at most so many answers.
            restrict_vocab: answer from so many most frequent words. None: all.

        Returns:
            ``[(word, cosine similarity), …]``, the most similar first.

        Raises:
            UnknownWordError: naming the closest spellings.
        """
        added, subtracted = as_list(positive), as_list(negative)
        rows = [self._row(item) for item in added] + [-self._row(item) for item in subtracted]
        if not rows:
            raise ValueError("most_similar needs at least one word or vector")
        asked = [item for item in (*added, *subtracted) if isinstance(item, str)]
        return self._search(np.mean(rows, axis=0)[None], [asked], topn, restrict_vocab)[0]

    def nearest(self, words: Sequence[str], topn: int = 10, restrict_vocab: int | None = None) -> list[Neighbours]:
        """Find the words most similar to each of ``words``: as ``most_similar``, but many at once."""
        return self._search(self._unit_rows(words), [[word] for word in words], topn, restrict_vocab)

    def similar_by_vector(self, vector: ArrayLike, topn: int = 10, restrict_vocab: int | None = None) -> Neighbours:
        """Find the words whose vectors point most nearly where ``vector``, ``(D,)``, does."""
        return self.most_similar([vector], topn=topn, restrict_vocab=restrict_vocab)

    def analogy(self, a: str, b: str, c: str, topn: int = 10, restrict_vocab: int | None = None) -> Neighbours:
        """Find what is to ``c`` as ``b`` is to ``a``: the words most similar to b - a + c.

        3CosAdd (Mikolov et al., 2013c) on unit vectors, as word2vec and gensim.
        """
        return self.most_similar([b, c], [a], topn=topn, restrict_vocab=restrict_vocab)

    def encode_texts(self, texts: Sequence[str]) -> Floats:
        """Return the mean of the vectors of each text's words, ``(N, D)``; zeros for a text without a known word.

        Texts are taken apart as the corpus was, or at blanks where ``tokeniser`` is None.
        """
        by_text = [list(chain.from_iterable(sentences)) for sentences in take_apart(texts, self.tokeniser)]
        words = list(dict.fromkeys(chain.from_iterable(by_text)))
        words = list(compress(words, self.known(words)))
        rows, places = self._summands(words), {word: row for row, word in enumerate(words)}
        means = np.zeros((len(texts), self.vector_size), np.float32)
        for mean, tokens in zip(means, by_text, strict=True):
            summands = [places[token] for token in tokens if token in places]
            if summands:
                mean[:] = rows[summands].mean(axis=0)
        return means

    def save(self, path: str | Path) -> None:
        """Write a folder that ``embtrain.load`` reads; :func:`embtrain.loading.write_file` writes other formats.

        Raises:
            FormatError: if there is something of that name already, or it cannot be written.
        """
        from embtrain.formats import safetensors_folder  # noqa: PLC0415 - it makes vectors, and so imports this

        safetensors_folder.write(self, Path(path))

    @cached_property
    def _normal_form(self) -> Literal["NFC", "NFD"]:
        """Return the normal form in which more of the frequent words are."""
        frequent = self.index_to_key[:_WORDS_THAT_TELL_THE_FORM]
        composed, decomposed = (
            sum(unicodedata.is_normalized(form, word) for word in frequent) for form in ("NFC", "NFD")
        )
        return "NFD" if decomposed > composed else "NFC"

    def _search(
        self, queries: Floats, excluded: Sequence[Sequence[str]], topn: int, restrict_vocab: int | None
    ) -> list[Neighbours]:
        """Answer queries ``(N, D)``, leaving out the words ``excluded`` of each."""
        candidates = self.unit[:restrict_vocab]
        queries = scaled_to_length_one(queries)
        at_a_time = max(1, _SCORES_AT_A_TIME // max(1, len(candidates)))
        answers: list[Neighbours] = []
        for start in range(0, len(queries), at_a_time):
            scores = queries[start : start + at_a_time] @ candidates.T
            for row, asked in zip(scores, excluded[start:], strict=False):
                answers.append(self._answer(row, asked, topn))
        return answers

    def _answer(self, scores: Floats, asked: Sequence[str], topn: int) -> Neighbours:
        """Return the words with the highest scores, but for those asked about, whose scores are lost.

        Args:
            scores: of the most frequent words. Shape ``(N,)``.
            asked: words.
            topn: at most so many.
        """
        ids = [self.key_to_index.get(self.spelled(word), len(scores)) for word in asked]
        scores[[index for index in ids if index < len(scores)]] = -np.inf
        return [(self.index_to_key[index], float(scores[index])) for index in _best(scores, topn)]

    def _rows(self, words: Sequence[str]) -> Floats:
        """Return the words' vectors, ``(N, D)``."""
        found: Floats = self.matrix[[self.index_of(word) for word in words]]
        return found

    def _summands(self, words: Sequence[str]) -> Floats:
        """Return what words contribute to the mean of a text, ``(N, D)``."""
        return self._rows(words)

    def _unit_rows(self, words: Sequence[str]) -> Floats:
        """Return the words' vectors scaled to length 1, ``(N, D)``."""
        found: Floats = self.unit[[self.index_of(word) for word in words]]
        return found

    def _row(self, item: Any) -> Floats:
        """Return what a word or a vector contributes to a query, ``(D,)``."""
        vector: Floats = self._unit_rows([item])[0] if isinstance(item, str) else np.asarray(item, np.float32)
        if vector.shape != (self.vector_size,):
            raise ValueError(f"expected a word or a vector of shape ({self.vector_size},), found shape {vector.shape}")
        return vector


def _best(scores: Floats, topn: int) -> Iterator[int]:
    """Yield the ids of the highest finite scores, highest first, ties by id."""
    topn = max(0, min(topn, len(scores)))
    top = np.argpartition(scores, len(scores) - topn)[-topn:] if 0 < topn < len(scores) else np.arange(topn)
    for index in top[np.lexsort((top, -scores[top]))]:
        if scores[index] > -np.inf:
            yield int(index)


def scaled_to_length_one(vectors: Floats) -> Floats:
    """Return the vectors ``(N, D)`` divided by their lengths; one of zeros stays one."""
    squares = np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64)
    lengths = np.sqrt(squares).astype(np.float32)[:, None]
    return np.divide(vectors, np.where(lengths > 0, lengths, np.float32(1)))


def read_only(array: _Array) -> _Array:
    """Return the array as one that cannot be changed through it."""
    view = array.view()
    view.flags.writeable = False
    return view


def _check(vectors: Vectors) -> None:
    words, matrix, counts = vectors.index_to_key, vectors.matrix, vectors.counts
    if matrix.ndim != 2:  # noqa: PLR2004 -- a matrix
        raise ValueError(f"expected a matrix (words, dim), found an array of shape {matrix.shape}")
    if len(words) != len(matrix):
        raise ValueError(f"{len(words)} words, but {len(matrix)} vectors")
    if not matrix.size:
        raise ValueError(f"expected at least one word and one number per vector, found shape {matrix.shape}")
    if len(vectors.key_to_index) != len(words):
        twice, second = next((word, row) for row, word in enumerate(words) if vectors.key_to_index[word] != row)
        raise ValueError(
            f"{len(words)} words, but only {len(vectors.key_to_index)} different ones: "
            f"{twice!r} is in rows {second} and {vectors.key_to_index[twice]}"
        )
    if counts is not None and counts.shape != (len(words),):
        raise ValueError(f"{len(words)} words, but {len(counts)} counts")
    if counts is not None and (rises := np.flatnonzero(np.diff(counts) > 0)).size:
        raise ValueError(
            f"words must come by descending count, but {words[rises[0]]!r} has {counts[rises[0]]} "
            f"and {words[rises[0] + 1]!r} after it {counts[rises[0] + 1]}"
        )
    # The extremes tell of any NaN or infinity, and take no memory.
    if not (np.isfinite(matrix.min()) and np.isfinite(matrix.max())):
        bad = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
        raise ValueError(
            f"{len(bad)} of {len(words)} vectors hold NaN or infinity, the first that of {words[bad[0]]!r}"
        )

"""What users of gensim's ``KeyedVectors`` ask besides, by the same names and with the same answers.

=====================================  ======================================================
To have                                one writes
=====================================  ======================================================
a word's vector, of length 1           ``v.get_vector("king", norm=True)``
the matrix                             ``v.vectors``
the mean of some words' vectors        ``v.get_mean_vector(["king", "queen"])``
the word that is unlike the others     ``v.doesnt_match(["king", "queen", "apple"])``
how unlike two words are               ``v.distance("king", "apple")``, ``v.distances("king")``
how similar two sets of words are      ``v.n_similarity(["king"], ["man", "woman"])``
which of some is most like a word      ``v.most_similar_to_given("king", ["apple", "queen"])``
words more similar than another one    ``v.closer_than("king", "apple")``, ``v.rank("king", "apple")``
analogies by 3CosMul                   ``v.most_similar_cosmul(["king", "woman"], ["man"])``
=====================================  ======================================================

Words never seen take part wherever the vectors have n-grams.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from embtrain.vectors import Floats, Neighbours, Query

# Of 3CosMul, as gensim's: keeps the denominator from being 0.
_EPSILON = 1e-6


class KeyedQueries(ABC):
    """Queries that :class:`embtrain.vectors.Vectors` answers by what it has."""

    index_to_key: list[str]
    matrix: Floats

    @property
    def vectors(self) -> Floats:
        """Return the matrix, ``(V, D)``, read-only."""
        return self.matrix

    def get_vector(self, word: str, norm: bool = False) -> Floats:
        """Return a word's vector ``(D,)``, with ``norm`` scaled to length 1.

        Raises:
            UnknownWordError: naming the closest spellings.
        """
        found: Floats = self._unit_rows([word])[0] if norm else self._rows([word])[0]
        return found

    def get_mean_vector(
        self,
        words: Sequence[str | ArrayLike],
        weights: ArrayLike | None = None,
        *,
        pre_normalize: bool = True,
        post_normalize: bool = False,
        ignore_missing: bool = True,
    ) -> Floats:
        """Return the weighted mean of words' vectors, or of vectors, ``(D,)``; of unknown words alone zeros.

        Args:
            words: words and vectors ``(D,)``.
            weights: of each. Their absolute values are what the sum is divided by.
            pre_normalize: scale words' vectors to length 1 before, vectors that are given never.
            post_normalize: scale the mean.
            ignore_missing: leave unknown words out.

        Raises:
            UnknownWordError: unless they are to be left out.
            ValueError: if there is no word, or not a weight for each.
        """
        shares = np.ones(len(words)) if weights is None else np.asarray(weights, np.float64)
        if not len(words) or shares.shape != (len(words),):
            raise ValueError(f"expected words and a weight for each, found {len(words)} and {shares.size}")
        asked = [word for word in words if isinstance(word, str)]
        missing = set(itertools.compress(asked, ~self.known(asked))) if ignore_missing else set()
        mean, total = np.zeros(self.matrix.shape[1]), 0.0
        for word, share in zip(words, shares.tolist(), strict=True):
            if isinstance(word, str) and word in missing:
                continue
            mean += share * (self.get_vector(word, pre_normalize) if isinstance(word, str) else np.asarray(word))
            total += abs(share)
        mean /= total or 1
        return _scaled(mean) if post_normalize else mean.astype(np.float32)

    def distance(self, a: str, b: str) -> float:
        """Return 1 - the cosine similarity of two words."""
        return 1 - self.similarity(a, b)

    def distances(self, query: str | ArrayLike, others: Sequence[str] = ()) -> Floats:
        """Return 1 - the cosine similarity of a word or vector and each of other words, ``(N,)``; of none, all words.

        Raises:
            UnknownWordError: naming the closest spellings.
        """
        rows = self._unit_rows(others) if len(others) else self.unit
        return 1 - rows @ _scaled(self._row(query))

    def n_similarity(self, words: Sequence[str], others: Sequence[str]) -> float:
        """Return the cosine similarity of the means of two sets of words' vectors; unknown words are left out.

        Raises:
            ValueError: if a set is empty.
        """
        means = [self.get_mean_vector(some, pre_normalize=False, post_normalize=True) for some in (words, others)]
        return float(np.dot(*means))

    def doesnt_match(self, words: Sequence[str]) -> str:
        """Return the word that is least like the mean of all; unknown words are left out.

        Raises:
            ValueError: if all are unknown.
        """
        known = [word for word, is_known in zip(words, self.known(words), strict=True) if is_known]
        if not known:
            raise ValueError(f"expected words that have a vector, found none among {len(words)}")
        rows = self._unit_rows(known)
        return known[int(np.argmin(rows @ rows.mean(axis=0)))]

    def most_similar_to_given(self, word: str, others: Sequence[str]) -> str:
        """Return the one of other words that is most similar to a word."""
        return others[int(np.argmin(self.distances(word, others)))]

    def closer_than(self, word: str, other: str) -> list[str]:
        """Return the words of the vocabulary that are more similar to a word than another one is, by their ids."""
        similarities = self.unit @ self.get_vector(word, norm=True)
        closer = np.flatnonzero(similarities > similarities[self.index_of(other)])
        spelled = self.spelled(word)
        return [found for found in map(self.index_to_key.__getitem__, closer.tolist()) if found != spelled]

    def rank(self, word: str, other: str) -> int:
        """Return the place of another word among those most similar to a word, from 1."""
        return len(self.closer_than(word, other)) + 1

    def most_similar_cosmul(
        self, positive: Query, negative: Query = (), topn: int = 10, restrict_vocab: int | None = None
    ) -> Neighbours:
        """Find words by products of similarities, not sums: 3CosMul (Levy and Goldberg, 2014, eq. 4).

        Cosines are moved to [0, 1]: that of an answer is the product over the positive, by that over the negative.

        Args:
            positive: as for ``most_similar``, which counts similarities of -1 to 1 by their sum.
            negative: likewise.
            topn: at most so many answers.
            restrict_vocab: answer from so many most frequent words. None: all.

        Returns:
            ``[(word, score), …]``, the highest first.

        Raises:
            UnknownWordError: naming the closest spellings.
            ValueError: if there is nothing positive.
        """
        added, subtracted = as_list(positive), as_list(negative)
        if not added:
            raise ValueError("most_similar_cosmul needs at least one word or vector")
        candidates = self.unit[:restrict_vocab]

        def product(items: list[Any]) -> Any:
            return np.prod([(1 + candidates @ self._row(item)) / 2 for item in items], axis=0)

        scores = product(added) / (product(subtracted) + _EPSILON)
        return self._answer(scores, [item for item in (*added, *subtracted) if isinstance(item, str)], topn)

    @property
    @abstractmethod
    def unit(self) -> Floats:
        """Return the vectors scaled to length 1, ``(V, D)``."""

    @abstractmethod
    def index_of(self, word: str) -> int:
        """Return a word's id."""

    @abstractmethod
    def spelled(self, word: str) -> str:
        """Return a word as the vocabulary spells it."""

    @abstractmethod
    def known(self, words: Sequence[str]) -> NDArray[np.bool_]:
        """Tell of each word whether it has a vector, ``(N,)``."""

    @abstractmethod
    def similarity(self, a: str, b: str) -> float:
        """Return the cosine of the angle between two words' vectors."""

    @abstractmethod
    def _rows(self, words: Sequence[str]) -> Floats: ...

    @abstractmethod
    def _unit_rows(self, words: Sequence[str]) -> Floats: ...

    @abstractmethod
    def _row(self, item: Any) -> Floats: ...

    @abstractmethod
    def _answer(self, scores: Floats, asked: Sequence[str], topn: int) -> Neighbours: ...


def as_list(query: Any) -> list[Any]:
    """Return the words and vectors of a query, which may be a single one."""
    if isinstance(query, str) or (isinstance(query, np.ndarray) and query.ndim == 1 and query.dtype.kind in "fiu"):
        return [query]
    return list(query)


def _scaled(vector: NDArray[Any]) -> Floats:
    """Return a vector scaled to length 1, float32; one of zeros stays one."""
    scaled: Floats = (vector / (np.linalg.norm(vector) or 1)).astype(np.float32)
    return scaled

"""Similarity of words in context: do a model's layers order pairs of words in their contexts as people do?

Stanford's Contextual Word Similarities (Huang et al., 2012) hold a pair a line, tab-separated: number, first word, its
part of speech, second word, its part of speech, the first word's context, the second's, the mean score, ten scores.
A context is text whose tokens are separated by blanks, the word between ``<b>`` and ``</b>``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from embtrain.contextual_vectors import ContextualVectors
from embtrain.errors import FormatError
from embtrain.evaluation.sets import numbered_lines
from embtrain.probing.layers import compared_names, read_compared
from embtrain.vectors import Floats, Vectors

_BEGIN, _END = "<b>", "</b>"

# Contexts whose layers are computed at a time.
_PAIRS_AT_A_TIME = 100


@dataclass(frozen=True)
class WordInContext:
    """Tokens, and the places ``first`` to ``last - 1`` of the word that is meant."""

    tokens: list[str]
    first: int
    last: int


@dataclass(frozen=True)
class ContextPair:
    """Two words in context and how similar people found them."""

    a: WordInContext
    b: WordInContext
    score: float
    same: bool = False
    """Whether it is one word in two contexts."""


Correlations = dict[str, float | None]
"""By the name of the layer; None where a layer, or the people, saw no difference."""


@dataclass(frozen=True)
class ContextualResult:
    """Rank correlation of cosine similarities with human scores.

    People find a word and itself more similar than two words, and that they are the same any layer knows best that
    sees no context. What the contexts tell shows in the pairs of one word, and in those of two.
    """

    name: str
    layers: Correlations
    of_one_word: Correlations
    of_two_words: Correlations
    pairs: int
    pairs_of_one_word: int


def evaluate_contexts(model: Vectors | ContextualVectors, path: str | Path) -> ContextualResult:
    """Correlate cosines of each layer with the scores of a file of pairs in context, by Spearman.

    A word that a model of word vectors does not know has similarity 0 with all others: every pair counts.

    Raises:
        FormatError: if the file cannot be read, a line is no such pair, or there is none.
    """
    pairs = read_context_pairs(path)
    cosines = np.concatenate(
        [_cosines(model, pairs[first : first + _PAIRS_AT_A_TIME]) for first in range(0, len(pairs), _PAIRS_AT_A_TIME)],
        axis=1,
    )
    scores, same = (np.array(values) for values in zip(*((pair.score, pair.same) for pair in pairs), strict=True))

    def over(chosen: npt.NDArray[np.bool_]) -> Correlations:
        of_layers = (_correlation(scores[chosen], of_layer[chosen]) for of_layer in cosines)
        return dict(zip(compared_names(model), of_layers, strict=True))

    return ContextualResult(
        Path(path).stem, over(np.ones_like(same)), over(same), over(~same), len(pairs), int(same.sum())
    )


def _correlation(scores: npt.NDArray[np.float64], cosines: Floats) -> float | None:
    """Return Spearman's rank correlation, or None without two different values on each side."""
    if not scores.size or not np.ptp(scores) or not np.ptp(cosines):
        return None
    return float(spearmanr(scores, cosines).statistic)


def read_context_pairs(path: str | Path) -> list[ContextPair]:
    """Read pairs of words in context.

    Raises:
        FormatError: naming the first line that is no such pair.
    """
    pairs = list(_pairs(path))
    if not pairs:
        raise FormatError(f"{path} holds no pair of words in context; expected lines as in SCWS's ratings.txt")
    return pairs


def _pairs(path: str | Path) -> Iterator[ContextPair]:
    for number, line in numbered_lines(path):
        try:
            yield _parse(line.rstrip("\r\n").split("\t"))
        except ValueError:
            raise FormatError(
                f"{path}, line {number}: expected number, word, part of speech, word, part of speech, two contexts "
                f"with the word between <b> and </b>, and a score, tab-separated; found {line[:60]!r}"
            ) from None


def _parse(columns: list[str]) -> ContextPair:
    """Return the pair of a line; ValueError if it is none."""
    _, first, _, second, _, a, b, score, *_ = columns
    if not math.isfinite(float(score)):
        raise ValueError(score)
    return ContextPair(_marked(a), _marked(b), float(score), first.lower() == second.lower())


def _marked(context: str) -> WordInContext:
    """Find the word that is meant; ValueError if it is not marked, or marked as nothing."""
    tokens = context.split()
    begin, end = tokens.index(_BEGIN), tokens.index(_END)
    word = tokens[begin + 1 : end]
    if not word:
        raise ValueError(context)
    return WordInContext([*tokens[:begin], *word, *tokens[end + 1 :]], begin, begin + len(word))


def _cosines(model: Vectors | ContextualVectors, pairs: list[ContextPair]) -> Floats:
    """Return the cosine of each pair in each layer, ``(L, pairs)``; 0 where a vector is zero."""
    words = [word for pair in pairs for word in (pair.a, pair.b)]
    found = read_compared(model, [word.tokens for word in words])
    vectors = np.stack(
        [layers[:, word.first : word.last].mean(axis=1) for layers, word in zip(found, words, strict=True)], axis=1
    )
    lengths = np.linalg.norm(vectors, axis=2, keepdims=True)
    unit = vectors / np.where(lengths > 0, lengths, 1)
    cosines: Floats = np.einsum("lpd,lpd->lp", unit[:, ::2], unit[:, 1::2])
    return cosines

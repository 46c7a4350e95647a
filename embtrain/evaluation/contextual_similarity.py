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


@dataclass(frozen=True)
class ContextualResult:
    """Rank correlation of cosine similarities with human scores, by the name of the layer; None where undefined."""

    name: str
    layers: dict[str, float | None]
    pairs: int


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
    scores = np.array([pair.score for pair in pairs])
    correlations = [
        float(spearmanr(scores, of_layer).statistic) if np.ptp(scores) and np.ptp(of_layer) else None
        for of_layer in cosines
    ]
    return ContextualResult(Path(path).stem, dict(zip(compared_names(model), correlations, strict=True)), len(pairs))


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
    _, _, _, _, _, a, b, score, *_ = columns
    if not math.isfinite(float(score)):
        raise ValueError(score)
    return ContextPair(_marked(a), _marked(b), float(score))


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

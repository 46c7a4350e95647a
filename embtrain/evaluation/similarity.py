"""Word similarity: do vectors order pairs of words as people do?

Files such as WordSim-353 and SimLex-999 hold ``word<TAB>word<TAB>score`` a line; lines that begin with ``#``
are comments, and the first line may name the columns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from embtrain.errors import FormatError
from embtrain.evaluation.sets import KnownWords, look_up, numbered_lines
from embtrain.vectors import Vectors

Pair = tuple[str, str, float]


@dataclass(frozen=True)
class SimilarityResult:
    """How well cosine similarities agree with human scores on one file."""

    name: str
    spearman: float | None
    """Rank correlation, -1 to 1. None where it is not defined: fewer than two different pairs are known."""
    used: int
    """Pairs of which both words are known; the others are skipped."""
    pairs: int
    """Pairs in the file."""
    unseen: int = 0
    """Used pairs with a word that is not in the vocabulary, and has a vector by its n-grams."""

    @property
    def coverage(self) -> float:
        """Return the share of the pairs that could be used, 0 to 1."""
        return self.used / self.pairs


def evaluate_similarity(vectors: Vectors, path: str | Path, restrict_vocabulary: int = 30_000) -> SimilarityResult:
    """Correlate cosine similarities with the scores of a file of word pairs, as gensim's ``evaluate_word_pairs``.

    Args:
        vectors: what to measure.
        path: the file.
        restrict_vocabulary: a word counts as known among so many most frequent words, in any case; where vectors have
            n-grams, wherever it has a vector.

    Raises:
        FormatError: if the file cannot be read, a line is not a pair with a score, or there is none.
    """
    pairs = read_pairs(path)
    words = look_up(vectors, {word for a, b, _ in pairs for word in (a, b)}, restrict_vocabulary)
    used = [(a, b, score) for a, b, score in pairs if a in words.ids and b in words.ids]
    unseen = sum(not words.unseen.isdisjoint(pair[:2]) for pair in used)
    return SimilarityResult(Path(path).stem, _spearman(words, used), len(used), len(pairs), unseen)


def read_pairs(path: str | Path) -> list[Pair]:
    """Read word pairs with their scores.

    Raises:
        FormatError: naming the first line that is no pair.
    """
    pairs: list[Pair] = []
    header_allowed = True
    for number, line in numbered_lines(path):
        if line.startswith("#"):
            continue
        pair = _parse(line)
        if pair is not None:
            pairs.append(pair)
        elif not header_allowed:
            raise FormatError(f"{path}, line {number}: expected word<TAB>word<TAB>score, found {line.strip()!r}")
        header_allowed = False
    if not pairs:
        raise FormatError(f"{path} holds no word pair; expected lines of word<TAB>word<TAB>score")
    return pairs


def _parse(line: str) -> Pair | None:
    fields = line.split("\t")
    if len(fields) != 3:  # noqa: PLR2004 -- two words and a score
        return None
    try:
        score = float(fields[2])
    except ValueError:
        return None
    return (fields[0], fields[1], score) if math.isfinite(score) else None


def _spearman(words: KnownWords, pairs: list[Pair]) -> float | None:
    if not pairs:
        return None
    first = words.unit[[words.ids[word] for word, _, _ in pairs]]
    second = words.unit[[words.ids[word] for _, word, _ in pairs]]
    scores = np.array([score for _, _, score in pairs])
    cosines = np.einsum("nd,nd->n", first, second)
    if np.ptp(cosines) == 0 or np.ptp(scores) == 0:
        return None
    return float(spearmanr(scores, cosines).statistic)

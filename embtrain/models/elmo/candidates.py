"""Which words a batch's predictions are made against: drawn log-uniformly, as TensorFlow draws them, or all of them.

Shapes: V words, S candidates, N predictions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Candidates(NamedTuple):
    """The rows of the softmax that a batch needs: first the S candidates, then the targets that are none.

    What is expected of a sampled word is taken off its score, so that the sampled softmax has about the gradient of the
    whole one (Jean et al., 2015).
    """

    rows: npt.NDArray[np.int64]
    """Ids, each once. Shape ``(S + E,)``."""
    size: int
    """S."""
    log_expected: npt.NDArray[np.float32]
    """Logarithm of how often each row is expected among the candidates. Shape ``(S + E,)``."""
    place: npt.NDArray[np.int64]
    """Where among the rows each word of the vocabulary is; only of words in ``rows``. Shape ``(V,)``."""


class CandidateSampler:
    """Draws distinct ids in proportion to log((k + 2) / (k + 1)): of Zipf's law, where ids go by descending count.

    Args:
        vocab_size: V.
        num_samples: S. All words are candidates where V is at most twice that.
    """

    def __init__(self, vocab_size: int, num_samples: int) -> None:
        self._vocab_size, self._num_samples = vocab_size, num_samples
        self.is_exact = vocab_size <= 2 * num_samples

    def draw(self, targets: npt.NDArray[np.int32], seed: tuple[int, int]) -> Candidates:
        """Return candidates, and the targets with them.

        Args:
            targets: ids; those below 0 are left aside. Any shape.
            seed: what is drawn depends on nothing else.
        """
        if self.is_exact:
            every = np.arange(self._vocab_size)
            return Candidates(every, self._vocab_size, np.zeros(self._vocab_size, np.float32), every)
        sampled, tries = draw_distinct(self._vocab_size, self._num_samples, np.random.default_rng(seed))
        place = np.full(self._vocab_size, -1)
        place[sampled] = 0
        wanted = np.unique(targets[targets >= 0])
        rows = np.concatenate([sampled, wanted[place[wanted] < 0]])
        place[rows] = np.arange(len(rows))
        return Candidates(rows, len(sampled), log_expected_count(rows, self._vocab_size, tries), place)


def draw_distinct(vocab_size: int, num_samples: int, random: np.random.Generator) -> tuple[npt.NDArray[np.int64], int]:
    """Draw ids until so many different ones are there; return them, and the number of draws that it took."""
    drawn = np.empty(0, np.int64)
    while True:
        uniform = random.random(2 * num_samples)
        more = np.expm1(uniform * np.log(vocab_size + 1)).astype(np.int64)
        drawn = np.concatenate([drawn, np.minimum(more, vocab_size - 1)])
        ids, first = np.unique(drawn, return_index=True)
        if len(ids) >= num_samples:
            earliest = np.argsort(first)[:num_samples]
            return ids[earliest], int(first[earliest[-1]]) + 1


def log_expected_count(ids: npt.NDArray[np.int64], vocab_size: int, tries: int) -> npt.NDArray[np.float32]:
    """Return log(1 - (1 - p)^tries), p the chance of each id at each draw."""
    chance = np.log1p(1 / (ids + 1)) / np.log(vocab_size + 1)
    logarithm: npt.NDArray[np.float32] = np.log(-np.expm1(tries * np.log1p(-chance))).astype(np.float32)
    return logarithm

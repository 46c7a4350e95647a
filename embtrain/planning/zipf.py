"""Zipf's law: how words are spread over a vocabulary that is not counted yet (Zipf, 1949; exponent 1).

On 17 million words of English Wikipedia it gives the share of the words that subsampling keeps within five points.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_CLASSES = 4_000
"""Neighbouring ranks of a large vocabulary are taken together: a hundred million words cost as little as a thousand."""


class Zipf(NamedTuple):
    """A vocabulary in classes of words that are about as frequent as each other, by descending frequency."""

    words: npt.NDArray[np.int64]
    """Words of each class."""
    share: npt.NDArray[np.float64]
    """Of the text's words, the share that each class has; sums to 1."""

    @classmethod
    def of(cls, vocab_size: int) -> Zipf:
        """Spread a text over so many words; the word of rank r has a share in proportion to 1 / r."""
        edges = np.unique(np.geomspace(1, vocab_size + 1, _CLASSES).astype(np.int64))
        mass = np.log((edges[1:] - 0.5) / (edges[:-1] - 0.5))
        return cls(np.diff(edges), mass / mass.sum())

    @property
    def frequency(self) -> npt.NDArray[np.float64]:
        """Return the share of the text that one word of each class has."""
        frequency: npt.NDArray[np.float64] = self.share / self.words
        return frequency

    def kept(self, threshold: float) -> npt.NDArray[np.float64]:
        """Return the share of the text that is left of each class by subsampling (word2vec.c's form)."""
        if not threshold:
            return self.share
        ratio = threshold / self.frequency
        return self.share * np.minimum(1, np.sqrt(ratio) + ratio)

    def negatives(self, exponent: float) -> npt.NDArray[np.float64]:
        """Return the share of the negatives that each class has; sums to 1."""
        weight = self.words * self.frequency**exponent
        shares: npt.NDArray[np.float64] = weight / weight.sum()
        return shares

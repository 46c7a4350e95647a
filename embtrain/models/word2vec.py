"""Skip-gram and CBOW with negative sampling or hierarchical softmax, on CPU threads."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from embtrain.config import CbowSettings, SgnsSettings
from embtrain.data.vocabulary import Vocabulary
from embtrain.models.hogwild import Hogwild, occurrence, starting_rows
from embtrain.models.objectives import HierarchicalSoftmax, NegativeSampling


class Word2Vec(Hogwild):
    """A row for each word, and the objective that it is trained with.

    Input rows start uniform in (-1, 1) / dim, as in gensim 4; output rows start at 0, as in word2vec.c.

    Args:
        settings: skip-gram or CBOW.
        vocabulary: its counts and probabilities decide on subsampling, negatives and trees.
        threads: that train at the same time.
        seed: of the starting vectors.

    Raises:
        CorpusError: if the vocabulary has too few words for the objective.
    """

    def __init__(
        self, settings: SgnsSettings | CbowSettings, vocabulary: Vocabulary, *, threads: int, seed: int
    ) -> None:
        of_words = occurrence(vocabulary)
        make = HierarchicalSoftmax if settings.objective == "hierarchical_softmax" else NegativeSampling
        objective = make(settings, vocabulary, of_words)
        rows = starting_rows(len(vocabulary), settings.dim, seed)
        super().__init__(rows, of_words, objective, vocabulary, threads=threads)
        self._dim = settings.dim

    def vectors(self) -> npt.NDArray[np.float32]:
        """Return the input vectors, a copy. Shape ``(V, dim)``."""
        return self.input_rows[:, : self._dim].copy()

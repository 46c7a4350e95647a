"""FastText: skip-gram and CBOW over words and their n-grams (Bojanowski et al., 2017), on CPU threads."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from embtrain.config import FastTextSettings
from embtrain.data.subwords import SubwordTable
from embtrain.data.vocabulary import Vocabulary
from embtrain.kernels.fasttext import train_fasttext
from embtrain.kernels.subword_rows import Parts, SubwordScratch
from embtrain.models.hogwild import Hogwild, occurrence, starting_rows
from embtrain.models.objectives import NegativeSampling, Span
from embtrain.models.subword_rows import SubwordRows
from embtrain.subword_vectors import SubwordVectors


class FastText(Hogwild):
    """A row for each word, then one for each bucket that an n-gram of a word falls into.

    Facebook's program keeps a row for every bucket; those that no word of the corpus needs are left out here, which
    changes nothing else. Input rows start uniform in (-1, 1) / dim and output rows at 0, as there.

    Args:
        settings: of the model.
        vocabulary: its probabilities decide on subsampling and negatives.
        subwords: the buckets of each word.
        threads: that train at the same time.
        seed: of the starting vectors.
    """

    def __init__(
        self, settings: FastTextSettings, vocabulary: Vocabulary, subwords: SubwordTable, *, threads: int, seed: int
    ) -> None:
        self._subword_rows = SubwordRows.of(subwords)
        of_words = occurrence(vocabulary)
        of_rows = self._subword_rows.spread(of_words)  # takes memory for a moment: before the rows do
        objective = SubwordSampling(settings, vocabulary, of_words, self._subword_rows.parts)
        rows = starting_rows(self._subword_rows.num_rows, settings.dim, seed)
        super().__init__(rows, of_rows, objective, vocabulary, threads=threads)
        self._dim = settings.dim

    def vectors(self) -> npt.NDArray[np.float32]:
        """Return the mean of each word's rows. Shape ``(V, dim)``."""
        return self._subword_rows.means(self.input_rows[:, : self._dim])

    def subword_vectors(self, vocabulary: Vocabulary) -> SubwordVectors:
        """Return vectors of words, seen or not, over the rows of this model, which are not copied."""
        rows, output_rows = (rows[:, : self._dim] for rows in self.state().values())
        return self._subword_rows.vectors(vocabulary, rows, output_rows)


class SubwordSampling:
    """A word against sampled negatives, predicted from the rows of words and their n-grams.

    An :class:`embtrain.models.objectives.Objective`.

    Args:
        settings: of the model.
        vocabulary: its probabilities decide on the negatives.
        occurrence: how often a token of the corpus is a word, and is kept. Shape ``(V,)``.
        parts: the input rows of each word.
    """

    def __init__(
        self, settings: FastTextSettings, vocabulary: Vocabulary, occurrence: npt.NDArray[np.float64], parts: Parts
    ) -> None:
        self._settings = settings
        self._parts = parts
        self._sampling = NegativeSampling(settings, vocabulary, occurrence)
        self.output_rows, self.occurrence = self._sampling.output_rows, self._sampling.occurrence

    def allocate(self, longest: int) -> SubwordScratch:
        """Make the memory of one thread; see :class:`embtrain.models.objectives.Objective`."""
        settings = self._settings
        return SubwordScratch.allocate(
            dim=settings.dim,
            window=settings.window,
            num_negatives=settings.num_negatives,
            longest=longest,
            most_parts=int(self._parts.counts.max(initial=0)),
        )

    def run(self, input_rows: npt.NDArray[np.float32], span: Span, scratch: SubwordScratch) -> tuple[int, float]:
        """Train on a span; see :class:`embtrain.models.objectives.Objective`."""
        arguments = self._sampling.arguments(input_rows, span, scratch)
        is_cbow = self._settings.architecture == "cbow"
        return train_fasttext(*arguments, self._parts, is_cbow)  # type: ignore[no-any-return]

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
from embtrain.subword_vectors import Subwords, SubwordVectors

WORDS_AT_A_TIME = 4096
"""Words whose rows are gathered together when their vectors are made: some 30 MB."""


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
        self._bucket_ids, self._parts = number_rows(subwords)
        of_words = occurrence(vocabulary)
        objective = SubwordSampling(settings, vocabulary, of_words, self._parts)
        num_rows = len(vocabulary) + self._bucket_ids.size
        of_parts = np.repeat(of_words, self._parts.counts)
        of_rows = np.bincount(self._parts.rows, of_parts, minlength=num_rows).astype(np.float64)
        rows = starting_rows(num_rows, settings.dim, seed)
        super().__init__(rows, of_rows, objective, vocabulary, threads=threads)
        self._dim = settings.dim
        self._subwords = Subwords(**subwords.settings)

    def vectors(self) -> npt.NDArray[np.float32]:
        """Return the mean of each word's rows. Shape ``(V, dim)``."""
        counts, starts = self._parts.counts, self._parts.offsets
        vectors = np.empty((counts.size, self._dim), np.float32)
        for first in range(0, counts.size, WORDS_AT_A_TIME):
            last = min(counts.size, first + WORDS_AT_A_TIME)
            rows = self.input_rows[self._parts.rows[starts[first] : starts[last]], : self._dim]
            sums = np.add.reduceat(rows, starts[first:last] - starts[first])
            vectors[first:last] = sums / counts[first:last, None]
        return vectors

    def subword_vectors(self, vocabulary: Vocabulary) -> SubwordVectors:
        """Return vectors of words, seen or not, over the rows of this model, which are not copied."""
        of_words, of_buckets = np.split(self.input_rows[:, : self._dim], [len(vocabulary)])
        return SubwordVectors(
            vocabulary.tokens,
            word_rows=of_words,
            bucket_ids=self._bucket_ids,
            bucket_rows=of_buckets,
            subwords=self._subwords,
            output_rows=self.state()["output"][:, : self._dim],
            counts=vocabulary.counts,
        )


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


def number_rows(subwords: SubwordTable) -> tuple[npt.NDArray[np.int32], Parts]:
    """Give a row to each word, by id, then to each bucket that occurs, by number.

    Returns:
        The buckets that occur, ascending, shape ``(B,)``, and the rows of each word, its own first.
    """
    bucket_ids, places = np.unique(subwords.buckets, return_inverse=True)
    vocab_size = subwords.offsets.size - 1
    own = subwords.offsets[:-1] + np.arange(vocab_size)
    of_ngram = np.ones(subwords.buckets.size + vocab_size, np.bool_)
    of_ngram[own] = False
    rows = np.empty(of_ngram.size, np.int32)
    rows[own], rows[of_ngram] = np.arange(vocab_size), vocab_size + places
    return bucket_ids, Parts(subwords.offsets + np.arange(vocab_size + 1), rows)

"""Which rows FastText's words are made of, wherever these are trained, and what comes out of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embtrain.data.subwords import SubwordTable
from embtrain.data.vocabulary import Vocabulary
from embtrain.kernels.subword_rows import Parts
from embtrain.subword_vectors import Subwords, SubwordVectors

WORDS_AT_A_TIME = 4096
"""Words whose rows are gathered together when their vectors are made: some 30 MB."""

Rows = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SubwordRows:
    """A row for each word, by id, then one for each bucket that an n-gram of a word falls into, by number.

    Attributes:
        bucket_ids: the buckets that occur, ascending. Shape ``(B,)``.
        parts: the rows of each word, its own first.
        subwords: how n-grams are made of a word, and buckets of these.
    """

    bucket_ids: npt.NDArray[np.int32]
    parts: Parts
    subwords: Subwords

    @classmethod
    def of(cls, table: SubwordTable) -> SubwordRows:
        """Number the rows that a table of buckets asks for."""
        bucket_ids, places = np.unique(table.buckets, return_inverse=True)
        vocab_size = table.offsets.size - 1
        own = table.offsets[:-1] + np.arange(vocab_size)
        of_ngram = np.ones(table.buckets.size + vocab_size, np.bool_)
        of_ngram[own] = False
        rows = np.empty(of_ngram.size, np.int32)
        rows[own], rows[of_ngram] = np.arange(vocab_size), vocab_size + places
        parts = Parts(table.offsets + np.arange(vocab_size + 1), rows)
        return cls(bucket_ids, parts, Subwords(**table.settings))

    @property
    def num_rows(self) -> int:
        """Return the number of rows of words and of buckets."""
        return self.parts.offsets.size - 1 + self.bucket_ids.size

    def spread(self, of_words: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Give each row the sum of something over the words that it is part of. Shape ``(V,)`` to ``(R,)``."""
        of_parts = np.repeat(of_words, self.parts.counts)
        return np.bincount(self.parts.rows, of_parts, minlength=self.num_rows).astype(np.float64)

    def means(self, rows: Rows) -> Rows:
        """Return the mean of each word's rows. Shape ``(V, D)``, of rows of shape ``(R, D)``."""
        counts, starts = self.parts.counts, self.parts.offsets
        vectors = np.empty((counts.size, rows.shape[1]), np.float32)
        for first in range(0, counts.size, WORDS_AT_A_TIME):
            last = min(counts.size, first + WORDS_AT_A_TIME)
            gathered = rows[self.parts.rows[starts[first] : starts[last]]]
            sums = np.add.reduceat(gathered, starts[first:last] - starts[first])
            vectors[first:last] = sums / counts[first:last, None]
        return vectors

    def vectors(self, vocabulary: Vocabulary, rows: Rows, output_rows: Rows) -> SubwordVectors:
        """Return vectors of words, seen or not, over rows of shape ``(R, D)``, which are not copied."""
        of_words, of_buckets = np.split(rows, [len(vocabulary)])
        return SubwordVectors(
            vocabulary.tokens,
            word_rows=of_words,
            bucket_ids=self.bucket_ids,
            bucket_rows=of_buckets,
            subwords=self.subwords,
            output_rows=output_rows,
            counts=vocabulary.counts,
        )

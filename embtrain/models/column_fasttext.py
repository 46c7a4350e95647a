"""FastText whose vectors are split among processes by column: skip-gram and CBOW over words, made of their rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from embtrain.columns import Columns
from embtrain.config import FastTextSettings
from embtrain.data.sequences import Block
from embtrain.data.vocabulary import Vocabulary
from embtrain.kernels.column_words import BatchWords, number_words, share_among_rows
from embtrain.models.columns import ColumnWord2Vec, Compute, LaidOut, has_means
from embtrain.models.subword_rows import SubwordRows
from embtrain.subword_vectors import SubwordVectors


class ColumnFastText(ColumnWord2Vec):
    """The columns of one process of the rows of :class:`embtrain.models.fasttext.FastText`, from the same start.

    Products are those of skip-gram or CBOW over whole words: n-grams are no concern of the other processes.

    Args:
        settings: of the model.
        vocabulary: its counts and probabilities decide on subsampling and negatives.
        subword_rows: the rows of each word.
        columns: those of this process.
        compute: what holds them.
        lays_out_ahead: as for :class:`embtrain.models.columns.ColumnWord2Vec`.
    """

    def __init__(
        self,
        settings: FastTextSettings,
        vocabulary: Vocabulary,
        subword_rows: SubwordRows,
        columns: Columns,
        compute: Compute,
        *,
        lays_out_ahead: bool,
    ) -> None:
        super().__init__(settings, vocabulary, columns, compute, lays_out_ahead=lays_out_ahead)
        self._subword_rows, self._has_means = subword_rows, has_means(settings)
        self._numbers = np.full(len(vocabulary), -1, np.int32)

    def vectors(self) -> npt.NDArray[np.float32]:
        """Return the mean of each word's rows, as :meth:`ColumnWord2Vec.vectors` does."""
        return self._columns.whole(self._subword_rows.means(self._compute.state()["input"]))

    def subword_vectors(self, vocabulary: Vocabulary) -> SubwordVectors | None:
        """Return vectors of words, seen or not, over copies of all rows, in the first process; in each other None.

        All processes must call it together.
        """
        rows, output_rows = (self._columns.whole(own) for own in self._compute.state().values())
        if not self._columns.group.is_first:
            return None
        return self._subword_rows.vectors(vocabulary, rows, output_rows)

    def _lay_out(self, block: Block, span: tuple[int, int], seed: int) -> LaidOut:
        """Lay out what a span asks for, and which words each batch has."""
        laid_out = super()._lay_out(block, span, seed)
        products, num_batches = laid_out.products, laid_out.num_batches
        ids, ends = products.partners, products.offsets
        if self._has_means:
            ids, ends = products.contexts, products.context_offsets
            share_among_rows(products, products.batches[num_batches], self._subword_rows.parts)
        words = BatchWords.allocate(len(ids), num_batches)
        number_words(ids, ends, products.batches, num_batches, self._numbers, words)
        return replace(laid_out, words=words)

"""FastText on a GPU: skip-gram and CBOW over words and their n-grams."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from embtrain.config import FastTextSettings
from embtrain.data.subwords import SubwordTable
from embtrain.data.vocabulary import Vocabulary
from embtrain.kernels.gpu.fasttext import train_fasttext_tiles
from embtrain.models.gpu.tiled import Tiled
from embtrain.models.hogwild import occurrence, starting_rows
from embtrain.models.subword_rows import SubwordRows
from embtrain.subword_vectors import SubwordVectors


class DeviceFastText(Tiled):
    """The rows of :class:`embtrain.models.fasttext.FastText`, from the same start, on a device.

    Args:
        settings: of the model.
        vocabulary: its probabilities decide on subsampling and negatives.
        subwords: the buckets of each word.
        seed: of the starting vectors.
        device: ``cuda``; or ``cpu``, where Triton's interpreter runs the kernel.
    """

    def __init__(
        self, settings: FastTextSettings, vocabulary: Vocabulary, subwords: SubwordTable, *, seed: int, device: str
    ) -> None:
        self._subword_rows = SubwordRows.of(subwords)
        of_rows = self._subword_rows.spread(occurrence(vocabulary))
        rows = starting_rows(self._subword_rows.num_rows, settings.dim, seed)
        super().__init__(settings, rows, of_rows, vocabulary, device=device, launch=self._start)
        self._dim, self._is_cbow = settings.dim, settings.architecture == "cbow"
        self._parts = [self._put(array) for array in self._subword_rows.parts]
        self._sums = torch.empty(
            (self._num_programs, self._constants["CONTEXTS"], rows.shape[1]), dtype=torch.float32, device=self.device
        )

    def vectors(self) -> npt.NDArray[np.float32]:
        """Return the mean of each word's rows. Shape ``(V, dim)``."""
        return self._subword_rows.means(self.state()["input"][:, : self._dim])

    def subword_vectors(self, vocabulary: Vocabulary) -> SubwordVectors:
        """Return vectors of words, seen or not, over the rows of this model; on a GPU, copies."""
        rows, output_rows = (rows[:, : self._dim] for rows in self.state().values())
        return self._subword_rows.vectors(vocabulary, rows, output_rows)

    def _start(self, grid: tuple[int], *arguments: Any, **constants: Any) -> None:
        train_fasttext_tiles[grid](*arguments, *self._parts, self._sums, **constants, CBOW=self._is_cbow)

"""Skip-gram and CBOW with negative sampling on a GPU."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from embtrain.config import CbowSettings, SgnsSettings
from embtrain.data.vocabulary import Vocabulary
from embtrain.kernels.gpu.cbow import train_cbow_tiles
from embtrain.kernels.gpu.skipgram import train_skipgram_tiles
from embtrain.models.gpu.tiled import Tiled
from embtrain.models.hogwild import occurrence, starting_rows


class DeviceWord2Vec(Tiled):
    """A row for each word, as in :class:`embtrain.models.word2vec.Word2Vec`, and from the same start.

    Args:
        settings: skip-gram or CBOW, with negative sampling.
        vocabulary: its counts and probabilities decide on subsampling and negatives.
        seed: of the starting vectors.
        device: ``cuda``; or ``cpu``, where Triton's interpreter runs the kernels.
    """

    def __init__(
        self, settings: SgnsSettings | CbowSettings, vocabulary: Vocabulary, *, seed: int, device: str
    ) -> None:
        rows = starting_rows(len(vocabulary), settings.dim, seed)
        launch = partial(_launch_cbow, settings) if isinstance(settings, CbowSettings) else _launch_skipgram
        super().__init__(settings, rows, occurrence(vocabulary), vocabulary, device=device, launch=launch)
        self._dim = settings.dim

    def vectors(self) -> npt.NDArray[np.float32]:
        """Return the input vectors, a copy. Shape ``(V, dim)``."""
        vectors: npt.NDArray[np.float32] = self.input_rows[:, : self._dim].cpu().numpy().copy()
        return vectors


def _launch_skipgram(grid: tuple[int], *arguments: Any, **constants: Any) -> None:
    train_skipgram_tiles[grid](*arguments, **constants)


def _launch_cbow(settings: CbowSettings, grid: tuple[int], *arguments: Any, **constants: Any) -> None:
    train_cbow_tiles[grid](*arguments, **constants, DIVIDES=settings.gradient == "corrected")

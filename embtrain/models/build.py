"""From a model's settings to the model that computes it on this machine."""

from __future__ import annotations

from typing import Any

from embtrain.config import CbowSettings, SgnsSettings
from embtrain.data.vocabulary import Vocabulary
from embtrain.models.protocol import Model


def build_model(
    settings: SgnsSettings | CbowSettings, vocabulary: Vocabulary, *, threads: int, seed: int
) -> Model[Any]:
    """Return the model at the start of its training.

    Raises:
        ModuleNotFoundError: if the package that its kernels need is not installed.
    """
    from embtrain.models.word2vec import Word2Vec  # noqa: PLC0415 - loads numba

    return Word2Vec(settings, vocabulary, threads=threads, seed=seed)

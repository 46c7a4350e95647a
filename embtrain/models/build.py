"""From a model's settings to the model that computes it on this machine."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from embtrain.config import CbowSettings, SgnsSettings
from embtrain.data.vocabulary import Vocabulary
from embtrain.errors import SetupError
from embtrain.models.protocol import Model

UPDATES_TO_SETTLE = 100
"""Occurrences after which a row has moved about half of the way to where the present text pulls it."""


def build_model(settings: SgnsSettings | CbowSettings, vocabulary: Vocabulary, *, threads: int, seed: int) -> Model:
    """Return the model at the start of its training.

    Raises:
        SetupError: if the package that its kernels need is not installed.
    """
    try:
        from embtrain.models.word2vec import Word2Vec  # noqa: PLC0415 - loads numba
    except ModuleNotFoundError as error:
        raise SetupError(
            f"training {settings.type} on CPUs needs {error.name}; install it with: pip install 'embtrain[train]'"
        ) from None
    return Word2Vec(settings, vocabulary, threads=threads, seed=seed)


def merge_share(vocabulary: Vocabulary, *, tokens: int, world_size: int) -> npt.NDArray[np.float32]:
    """Return by how much the summed changes of each row count when processes merge (shape ``(V,)``).

    See :class:`embtrain.distributed.Replicas`.

    Args:
        vocabulary: its counts say how often a row changes.
        tokens: that each process trains on between merges.
        world_size: number of processes.
    """
    expected = vocabulary.counts * vocabulary.keep_probability / max(1, vocabulary.counts.sum()) * tokens
    settled = expected / (expected + UPDATES_TO_SETTLE)
    share: npt.NDArray[np.float32] = (1 - settled * (1 - 1 / world_size)).astype(np.float32)
    return share

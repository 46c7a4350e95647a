"""From a model's settings to the model that computes it on this machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from embtrain.config import ElmoSettings, FastTextSettings, GloveSettings, TrainedModel
from embtrain.data.subwords import SubwordTable
from embtrain.data.vocabulary import Vocabulary
from embtrain.distributed import Group
from embtrain.errors import ConfigError
from embtrain.models.protocol import Model


def build_model(
    settings: TrainedModel,
    vocabulary: Vocabulary,
    *,
    threads: int,
    seed: int,
    device: str = "auto",
    subwords: SubwordTable | None = None,
    characters: npt.NDArray[np.int32] | None = None,
    group: Group | None = None,
) -> Model[Any]:
    """Return the model at the start of its training.

    Args:
        settings: of the model.
        vocabulary: that it is for.
        threads: that train at the same time.
        seed: of the starting vectors.
        device: `train.device`.
        subwords: for FastText, which needs them.
        characters: for ELMo, likewise.
        group: the processes that train together, for ELMo, which adds up their gradients. None: this one alone.

    Raises:
        ConfigError: if the device, or the size of the vocabulary, is not for this model.
        CorpusError: if the vocabulary has too few words.
        ModuleNotFoundError: if the package that its kernels need is not installed.
        SetupError: if there is no such device.
    """
    if isinstance(settings, ElmoSettings):
        from embtrain.models.elmo.training import Elmo  # noqa: PLC0415 - loads torch
        from embtrain.models.softmax import find_device  # noqa: PLC0415 - likewise

        assert characters is not None
        group = group or Group()
        return Elmo(settings, characters, group=group, threads=threads, seed=seed, device=find_device(device))
    if not isinstance(settings, GloveSettings | FastTextSettings) and settings.objective == "softmax":
        from embtrain.models.softmax import Softmax, find_device  # noqa: PLC0415 - loads torch and numba

        return Softmax(settings, vocabulary, threads=threads, seed=seed, device=find_device(device))
    if device == "cuda":
        raise ConfigError("train.device cuda is for ELMo and model.objective softmax: expected auto or cpu")
    if isinstance(settings, GloveSettings):
        from embtrain.models.glove import Glove  # noqa: PLC0415 - loads numba

        return Glove(settings, vocabulary, threads=threads, seed=seed)
    if isinstance(settings, FastTextSettings):
        from embtrain.models.fasttext import FastText  # noqa: PLC0415 - loads numba

        assert subwords is not None
        return FastText(settings, vocabulary, subwords, threads=threads, seed=seed)
    from embtrain.models.word2vec import Word2Vec  # noqa: PLC0415 - loads numba

    return Word2Vec(settings, vocabulary, threads=threads, seed=seed)

"""From a model's settings to the model that computes it on this machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from embtrain.columns import Columns
from embtrain.config import (
    CbowSettings,
    ElmoSettings,
    FastTextSettings,
    GloveSettings,
    SgnsSettings,
    TrainedModel,
    WindowedModel,
)
from embtrain.data.sequences import SequenceTable
from embtrain.data.source import Divisible, Source
from embtrain.data.strata import Strata, num_strata
from embtrain.data.subwords import SubwordTable
from embtrain.data.vocabulary import Vocabulary
from embtrain.distributed import Group
from embtrain.kernels.padding import padded
from embtrain.models.devices import choose_device
from embtrain.models.protocol import DeviceModel, Model

GPU_MAX_WINDOW = 56
"""With wider windows a tile has more than 128 contexts, whose scores alone would fill a GPU's registers."""

READERS = 4
"""Threads that read text for a GPU: in the first epoch it would wait for one, which decodes 25 to 36 M words/s."""

FASTTEXT_BY_COLUMNS = "by columns FastText's batches are too small for a GPU; train.device: cuda takes it all the same"
"""Some 63 kernels for 225 words: at 6 us a launch 0.6 million words a second. One thread of a CPU trains a million."""


def device_for(settings: TrainedModel, wanted: str, *, by_columns: bool = False) -> str:
    """Choose where a model trains on this machine, ``cpu`` or ``cuda``; the log says which, and why.

    Args:
        settings: of the model.
        wanted: `train.device`.
        by_columns: whether `train.parallel` is columns.

    Raises:
        ConfigError: if a GPU is wanted for what no kernel computes there.
        SetupError: if a GPU is wanted, and it or what it takes is not here.
    """
    if computed_by_torch(settings, by_columns=by_columns):
        slower = FASTTEXT_BY_COLUMNS if by_columns and isinstance(settings, FastTextSettings) else None
        return choose_device(wanted, None, packages=["torch"], slower=slower)
    return choose_device(wanted, without_kernel(settings))


def computed_by_torch(settings: TrainedModel, *, by_columns: bool) -> bool:
    """Tell whether torch is what computes a model on a GPU, rather than kernels of ours."""
    return by_columns or isinstance(settings, ElmoSettings) or _is_softmax(settings)


def _is_softmax(settings: TrainedModel) -> bool:
    return isinstance(settings, SgnsSettings | CbowSettings) and settings.objective == "softmax"


def columns_for(settings: TrainedModel, group: Group) -> Columns:
    """Return the columns that this process holds, where `train.parallel` is columns.

    Raises:
        SetupError: if there are more processes than columns.
    """
    assert not isinstance(settings, ElmoSettings)
    if isinstance(settings, GloveSettings):  # its rows are split as they lie in a checkpoint, biases and padding too
        return Columns.of(padded(settings.dim + 2), group)
    return Columns.of(settings.dim, group)


def build_model(  # noqa: PLR0911 - a kind of model each
    settings: TrainedModel,
    vocabulary: Vocabulary,
    *,
    threads: int,
    seed: int,
    device: str = "cpu",
    subwords: SubwordTable | None = None,
    characters: npt.NDArray[np.int32] | None = None,
    group: Group | None = None,
    columns: Columns | None = None,
) -> Model[Any]:
    """Return the model at the start of its training.

    Args:
        settings: of the model.
        vocabulary: that it is for.
        threads: that train at the same time.
        seed: of the starting vectors.
        device: from :func:`device_for`.
        subwords: for FastText, which needs them.
        characters: for ELMo, likewise.
        group: the processes that train together, for ELMo, which adds up their gradients. None: this one alone.
        columns: those of this process, of `train.parallel` columns. None: it holds whole vectors.

    Raises:
        ConfigError: if the size of the vocabulary is not for this model.
        CorpusError: if the vocabulary has too few words.
        ModuleNotFoundError: if the package that its kernels need is not installed.
    """
    if columns is not None:
        from embtrain.models.build_columns import build_columns  # noqa: PLC0415 - loads numba

        return build_columns(
            settings, vocabulary, columns, threads=threads, seed=seed, device=device, subwords=subwords
        )
    if isinstance(settings, ElmoSettings):
        from embtrain.models.elmo.training import Elmo  # noqa: PLC0415 - loads torch

        assert characters is not None
        group = group or Group()
        return Elmo(settings, characters, group=group, threads=threads, seed=seed, device=device)
    if _is_softmax(settings):
        from embtrain.models.softmax import Softmax  # noqa: PLC0415 - loads torch and numba

        assert isinstance(settings, SgnsSettings | CbowSettings)
        return Softmax(settings, vocabulary, threads=threads, seed=seed, device=device)
    if device == "cuda":
        return _build_on_gpu(settings, vocabulary, subwords, group or Group(), seed=seed)
    if isinstance(settings, GloveSettings):
        from embtrain.models.glove import Glove  # noqa: PLC0415 - loads numba

        strata = Strata(len(vocabulary), num_strata(group.world_size if group else 1))
        return Glove(settings, vocabulary, strata, threads=threads, seed=seed)
    if isinstance(settings, FastTextSettings):
        from embtrain.models.fasttext import FastText  # noqa: PLC0415 - loads numba

        assert subwords is not None
        return FastText(settings, vocabulary, subwords, threads=threads, seed=seed)
    from embtrain.models.word2vec import Word2Vec  # noqa: PLC0415 - loads numba

    return Word2Vec(settings, vocabulary, threads=threads, seed=seed)


def _build_on_gpu(
    settings: TrainedModel, vocabulary: Vocabulary, subwords: SubwordTable | None, group: Group, *, seed: int
) -> Model[Any]:
    """Return a model whose kernels run on a GPU."""
    if isinstance(settings, GloveSettings):
        from embtrain.models.gpu.glove import DeviceGlove  # noqa: PLC0415 - loads torch, triton and numba

        strata = Strata(len(vocabulary), num_strata(group.world_size))
        return DeviceGlove(settings, vocabulary, strata, seed=seed, device="cuda")
    if isinstance(settings, FastTextSettings):
        from embtrain.models.gpu.fasttext import DeviceFastText  # noqa: PLC0415 - likewise

        assert subwords is not None
        return DeviceFastText(settings, vocabulary, subwords, seed=seed, device="cuda")
    from embtrain.models.gpu.word2vec import DeviceWord2Vec  # noqa: PLC0415 - likewise

    assert isinstance(settings, SgnsSettings | CbowSettings)
    return DeviceWord2Vec(settings, vocabulary, seed=seed, device="cuda")


def without_kernel(settings: TrainedModel) -> str | None:
    """Return what of a model has no kernel of ours for GPUs, or None."""
    if isinstance(settings, SgnsSettings | CbowSettings) and settings.objective != "negative_sampling":
        return f"model.objective {settings.objective}"
    if isinstance(settings, WindowedModel) and settings.window > GPU_MAX_WINDOW:
        return f"a model.window above {GPU_MAX_WINDOW}"
    return None


def on_device(source: Source[Any], model: Model[Any]) -> Source[Any]:
    """Return a source whose blocks are where the model trains: for a GPU, they stay there while there is room.

    What else the training takes of the device must be there by now.
    """
    if not isinstance(model, DeviceModel):
        return source
    from embtrain.models.gpu.blocks import ResidentBlocks, ResidentText, room_for_blocks  # noqa: PLC0415 - loads torch

    if isinstance(source, SequenceTable):
        source.read_ahead(READERS)
    resident = ResidentText if isinstance(source, Divisible) else ResidentBlocks
    return resident(source, model.upload, room_for_blocks(model.device))

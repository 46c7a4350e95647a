"""One call for all places where vectors can be, and for all that they can be: of words, or of words in sentences."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from embtrain import formats
from embtrain.errors import FormatError
from embtrain.formats.detection import detect
from embtrain.vectors import Vectors

if TYPE_CHECKING:
    from embtrain.contextual_vectors import ContextualVectors

log = logging.getLogger(__name__)


def load(model: str | Path) -> Vectors | ContextualVectors:
    """Load vectors: ``embtrain.load("models:/wiki@champion").most_similar("king")``.

    Args:
        model: a registered version, ``models:/NAME@ALIAS`` or ``models:/NAME/3``; a run's vectors,
            ``runs:/RUN_ID/vectors``; or a file or folder in one of the formats of :mod:`embtrain.formats`. The first
            two are looked for where MLFLOW_TRACKING_URI says, else in ``mlflow.db`` of the working directory.

    Returns:
        Vectors of words; for an ELMo model, those of words in sentences.

    Raises:
        ModelNotFoundError: if MLflow has no such version or run; it names those that there are.
        FormatError: if there is no such file, or it cannot be read.
        SetupError: if MLflow cannot be reached.
    """
    if is_in_mlflow(model):
        # MLflow takes a second to import, and files need none of it.
        from embtrain.registry import load_registered  # noqa: PLC0415

        return load_registered(str(model))
    return read_file(model)


def is_in_mlflow(model: str | Path) -> bool:
    """Tell whether a model is sought in MLflow, rather than on the disk."""
    return str(model).startswith(("models:/", "runs:/"))


def load_words(model: str | Path) -> Vectors:
    """Load vectors of words; of an ELMo model, those that words have without context.

    Raises:
        FormatError: as :func:`load`, and if the model came without a vocabulary.
        ModelNotFoundError, SetupError: as :func:`load`.
    """
    return words_of(load(model))


def words_of(model: Vectors | ContextualVectors) -> Vectors:
    """Return a model's vectors of words.

    Raises:
        FormatError: if it came without a vocabulary.
    """
    return model if isinstance(model, Vectors) else model.words


def read_file(path: str | Path, format: str | None = None) -> Vectors | ContextualVectors:  # noqa: A002 -- as users call it
    """Read a file or folder; see :func:`embtrain.formats.read`. One more format is ``elmo``, a folder.

    Raises:
        FormatError: if there is no such file or format, or the content is damaged or of another format.
    """
    if (format or detect(Path(path))) == "elmo":
        from embtrain.formats import elmo  # noqa: PLC0415 - loads torch

        return elmo.read(Path(path))
    return formats.read(path, format)


def write_file(model: Vectors | ContextualVectors, path: str | Path, format: str) -> None:  # noqa: A002 -- as above
    """Write a file or folder; see :func:`embtrain.formats.write`. Of ELMo, all formats but its own take the words.

    Raises:
        FormatError: if there is no such format, it cannot hold the model, or the place cannot be written to.
    """
    if format != "elmo":
        formats.write(words_of(model), path, format)
        return
    if isinstance(model, Vectors):
        raise FormatError(f"expected an ELMo model, found {type(model).__name__}: only an ELMo can be written as elmo")
    from embtrain.formats import elmo  # noqa: PLC0415 - loads torch

    sizes = model.bilm.architecture
    if sizes.num_filters <= sizes.projection_dim:
        log.warning(
            "AllenNLP and embtrain can read this export, bilm-tf cannot: it needs more filters than the numbers that "
            "they are projected to, found %d filters and %d numbers",
            sizes.num_filters,
            sizes.projection_dim,
        )
    elmo.write(model, Path(path))

"""One call for all places where vectors can be."""

from __future__ import annotations

from pathlib import Path

from embtrain import formats
from embtrain.vectors import Vectors


def load(model: str | Path) -> Vectors:
    """Load vectors: ``embtrain.load("models:/wiki@champion").most_similar("king")``.

    Args:
        model: a registered version, ``models:/NAME@ALIAS`` or ``models:/NAME/3``; a run's vectors,
            ``runs:/RUN_ID/vectors``; or a file or folder in one of the formats of :mod:`embtrain.formats`. The first
            two are looked for where MLFLOW_TRACKING_URI says, else in ``mlflow.db`` of the working directory.

    Raises:
        ModelNotFoundError: if MLflow has no such version or run; it names those that there are.
        FormatError: if there is no such file, or it cannot be read.
        SetupError: if MLflow cannot be reached.
    """
    if str(model).startswith(("models:/", "runs:/")):
        # MLflow takes a second to import, and files need none of it.
        from embtrain.registry import load_registered  # noqa: PLC0415

        return load_registered(str(model))
    return formats.read(model)

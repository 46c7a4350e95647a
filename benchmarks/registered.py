"""Models that benchmarks train the first time, and find in an MLflow of their own from then on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def model_of(settings: dict[str, Any], folder: Path) -> str:
    """Return the registered model of a run file; prepare, train and register it where that is not done.

    Call it in a process of its own: the folder becomes the working directory, where MLflow keeps what it is given.

    Args:
        settings: of the run file.
        folder: of the MLflow.
    """
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
    from embtrain import workflow
    from embtrain.config import Settings
    from embtrain.errors import ModelNotFoundError, SetupError
    from embtrain.loading import load
    from pipelines.prepare import prepare
    from pipelines.session import spark_session

    run = Settings.model_validate(settings)
    model = f"models:/{run.name}@champion"
    try:
        load(model)
    except (ModelNotFoundError, SetupError):
        with spark_session(run.spark, app="benchmark") as spark:
            prepare(spark, run)
        workflow.train(run)
    return model

"""A classifier as a version in MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types.schema import ColSpec, DataType, Map, Schema

from embtrain.classify import served
from embtrain.classify.classifier import Classifier
from embtrain.registry import Servable, register_servable, text_requirements

LOGGED_MODEL = "classifier"
"""A run's classifier is ``runs:/RUN_ID/classifier``."""

_REQUIREMENTS = ("h5py", "mlflow", "numpy", "pandas", "pyarrow", "pydantic", "rapidfuzz", "safetensors", "torch")

# Between the probabilities of one process and another, whose sums may come in another order.
_TOLERANCE = 1e-4


def register_classifier(
    classifier: Classifier,
    *,
    run_id: str,
    name: str,
    alias: str | None,
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    example: str,
) -> str:
    """Register a classifier as a new version; see :func:`embtrain.registry.register_servable`.

    Args:
        classifier: to be kept.
        run_id: the run that it comes from.
        name: of the registered model.
        alias: moved to the new version once that has been loaded, and has answered as the classifier does.
        metrics: become tags of the version.
        tags: further tags.
        example: a text that it is asked.
    """
    servable = Servable(
        logged_as=LOGGED_MODEL,
        save=classifier.save,
        artifact=served.ARTIFACT,
        code=served.__file__,
        requirements=(*_REQUIREMENTS, *text_requirements(classifier.text_rules)),
        signature=_signature(),
        question=pd.DataFrame({served.COLUMN: [example]}),
        check=lambda answer: _check(classifier, example, answer),
    )
    return register_servable(servable, run_id=run_id, name=name, alias=alias, metrics=metrics, tags=tags)


def _signature() -> ModelSignature:
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.string, served.COLUMN)]),
        outputs=Schema([ColSpec(DataType.string, "label"), ColSpec(Map(DataType.double), "probabilities")]),
    )


def _check(classifier: Classifier, example: str, answer: Any) -> str | None:
    expected = classifier.probabilities([example])[0]
    found = answer["probabilities"][0]
    if list(found) == classifier.classes and np.allclose(list(found.values()), expected, atol=_TOLERANCE):
        return None
    return f"gives {example!r:.60} other probabilities than before it was registered"

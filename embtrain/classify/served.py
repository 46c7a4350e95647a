"""What MLflow loads and serves of a classifier: texts in, a label and probabilities out.

MLflow runs this file anew wherever a version is loaded (models-from-code): nothing is pickled, and neither Spark nor
a GPU is needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from embtrain.classify.classifier import Classifier
from embtrain.served_rows import rows_of

ARTIFACT = "classifier"
"""The folder among a version's artifacts."""

COLUMN = "text"
"""The column that is read."""


class ServedClassifier(PythonModel):
    """The pyfunc: a column ``text`` to ``label`` and ``probabilities``, by label. A null is an empty text."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the classifier from the version's artifacts."""
        self.classifier = Classifier.load(Path(context.artifacts[ARTIFACT]))

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Classify each row.

        Raises:
            MlflowException: if the column is missing; a server answers 400 with its message.
        """
        del context, params
        if COLUMN not in model_input.columns:
            found = ", ".join(map(str, model_input.columns)) or "none"
            raise MlflowException.invalid_parameter_value(f"expected the column {COLUMN!r}, found {found}")
        texts = rows_of(model_input, [COLUMN])[COLUMN].astype(str).tolist()
        classes, probabilities = self.classifier.classes, self.classifier.probabilities(texts)
        return pd.DataFrame(
            {
                "label": [classes[best] for best in probabilities.argmax(axis=1)],
                "probabilities": [dict(zip(classes, row, strict=True)) for row in probabilities.tolist()],
            }
        )


set_model(ServedClassifier())

"""What MLflow loads and serves of an ELMo model: vectors of texts, or of their tokens.

MLflow runs this file anew wherever a version is loaded (models-from-code): nothing is pickled, and neither
Spark nor a GPU is needed. docs/mlflow.md shows how to call it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from embtrain.formats import elmo
from embtrain.served_model import ARTIFACT
from embtrain.served_rows import rows_of
from embtrain.vectors import Floats

COLUMN = "text"
"""The column that each task reads."""

PARAMS = {"task": "text"}
"""The parameters of ``predict`` and their defaults."""

TASKS = ("text", "tokens")


class ServedContextualVectors(PythonModel):
    """The pyfunc.

    ``task="text"`` gives an array ``(rows, dim)`` float32, the mean of the layers of all tokens of a text; ``tokens`` a
    table of lists ``tokens`` and ``vectors``. A text without a token, and a null, have zeros, or empty lists.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Read the model from the version's artifacts."""
        self.contextual = elmo.read(Path(context.artifacts[ARTIFACT]))

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> Floats | pd.DataFrame:
        """Answer each row.

        Raises:
            MlflowException: for a task or column that there is not; a server answers 400 with its message.
        """
        del context
        task = {**PARAMS, **(params or {})}["task"]
        if task not in TASKS:
            raise MlflowException.invalid_parameter_value(
                f"there is no task {task!r}; expected one of {', '.join(TASKS)}"
            )
        if COLUMN not in model_input.columns:
            found = ", ".join(map(str, model_input.columns)) or "none"
            raise MlflowException.invalid_parameter_value(f"expected a column {COLUMN!r}, found {found}")
        texts: list[str] = rows_of(model_input, [COLUMN])[COLUMN].tolist()
        if task == "text":
            return self.contextual.encode_texts(texts)
        tokens, vectors = self.contextual.encode_tokens(texts)
        return pd.DataFrame({"tokens": tokens, "vectors": [of_text.tolist() for of_text in vectors]})


set_model(ServedContextualVectors())

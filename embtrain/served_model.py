"""What MLflow loads and serves: vectors, nearest words and analogies, for a table of words; and vectors of texts.

MLflow runs this file anew wherever a version is loaded (models-from-code): nothing is pickled, and neither
torch nor Spark is needed. docs/mlflow.md shows how to call it from Python, over HTTP and in Spark.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from numpy.typing import NDArray

from embtrain.errors import UnknownWordError
from embtrain.formats import safetensors_folder
from embtrain.served_rows import rows_of
from embtrain.vectors import Floats, Neighbours

ARTIFACT = "vectors"
"""The folder of vectors among a version's artifacts."""

COLUMNS = {"vector": ["word"], "nearest": ["word"], "analogy": ["a", "b", "c"], "text": ["text"]}
"""The columns that each task reads."""

PARAMS = {"task": "vector", "topn": 10, "unknown": "error"}
"""The parameters of ``predict`` and their defaults."""


class ServedVectors(PythonModel):
    """The pyfunc.

    ``task="vector"`` gives an array ``(rows, D)`` float32; ``nearest``, and ``analogy`` (*a* is to *b* as *c* is to
    what), a table of lists ``words`` and ``similarities`` of at most ``topn``. A word that has no vector, not even by
    its n-grams, is an error; with ``unknown="skip"`` it has a vector of zeros, or empty lists. So has a null.
    ``text`` gives the mean of the vectors of each text's words, ``(rows, D)``; unknown words are left out.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Read the vectors from the version's artifacts."""
        self.vectors = safetensors_folder.read(Path(context.artifacts[ARTIFACT]))

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> Floats | pd.DataFrame:
        """Answer each row.

        Raises:
            MlflowException: for a task, column or word that there is not; a server answers 400 with its message.
        """
        del context
        asked = {**PARAMS, **(params or {})}
        questions = _questions(model_input, asked["task"])
        if asked["task"] == "text":
            return self.vectors.encode_texts([text for (text,) in questions])
        known = self._known(questions, len(COLUMNS[asked["task"]]))
        if asked["unknown"] != "skip" and not known.all():
            raise self._refusal(questions[int(np.argmin(known))])
        answerable = [words for words, is_known in zip(questions, known, strict=True) if is_known]
        if asked["task"] == "vector":
            vectors = np.zeros((len(questions), self.vectors.vector_size), dtype=np.float32)
            vectors[known] = self.vectors[[word for (word,) in answerable]]
            return vectors
        answers = iter(self._similar(answerable, asked["topn"]))
        return _table([next(answers) if is_known else [] for is_known in known])

    def _similar(self, questions: list[list[str]], topn: int) -> list[Neighbours]:
        """Return the words nearest to one word, or what is to c as b is to a."""
        if questions and len(questions[0]) == 1:
            return self.vectors.nearest([word for (word,) in questions], topn)
        return [self.vectors.analogy(a, b, c, topn) for a, b, c in questions]

    def _known(self, questions: list[list[str]], num_words: int) -> NDArray[np.bool_]:
        """Tell of each question whether all its words have a vector."""
        words = [word for question in questions for word in question]
        known: NDArray[np.bool_] = np.all(self.vectors.known(words).reshape(-1, num_words), axis=1)
        return known

    def _refusal(self, words: list[str]) -> MlflowException:
        """Return the error that says which of these words has no vector."""
        try:
            self.vectors[words]
        except UnknownWordError as error:
            refusal: MlflowException = MlflowException.invalid_parameter_value(str(error))
            return refusal
        raise AssertionError(words)


def _questions(table: pd.DataFrame, task: str) -> list[list[str]]:
    """Return the words of each row that the task reads; a null is the empty word, which is in no vocabulary."""
    if task not in COLUMNS:
        raise MlflowException.invalid_parameter_value(
            f"there is no task {task!r}; expected one of {', '.join(COLUMNS)}"
        )
    columns = COLUMNS[task]
    if not set(columns) <= set(table.columns):
        found = ", ".join(map(str, table.columns)) or "none"
        raise MlflowException.invalid_parameter_value(
            f"the task {task!r} reads the columns {', '.join(columns)}; found {found}"
        )
    rows: list[list[str]] = rows_of(table, columns).to_numpy().tolist()
    return rows


def _table(answers: list[Neighbours]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "words": [[word for word, _ in neighbours] for neighbours in answers],
            "similarities": [[similarity for _, similarity in neighbours] for neighbours in answers],
        }
    )


set_model(ServedVectors())

"""How well a classifier does, and how several inputs compare over several seeds."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix, f1_score

# Of a label in the name of a metric; MLflow takes 250.
_LABEL_CHARACTERS = 200


@dataclass(frozen=True)
class Scores:
    """What was measured on the test part.

    Attributes:
        classes: the K labels.
        confusion: texts by their label (rows) and the predicted one (columns), ``(K, K)``.
        f1: of each class, the harmonic mean of precision and recall; 0 where nothing is right.
    """

    classes: list[str]
    confusion: npt.NDArray[np.int64]
    f1: npt.NDArray[np.float64]

    @classmethod
    def of(cls, labels: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], classes: list[str]) -> Scores:
        """Compare labels with predictions, ``(N,)`` each, numbers of classes."""
        numbers = np.arange(len(classes))
        return cls(
            classes,
            confusion_matrix(labels, predicted, labels=numbers),
            f1_score(labels, predicted, labels=numbers, average=None, zero_division=0.0),
        )

    @property
    def accuracy(self) -> float:
        """Return the share of texts that were classified rightly."""
        return float(np.trace(self.confusion) / self.confusion.sum())

    @property
    def errors(self) -> int:
        """Return the number of texts that were not."""
        return int(self.confusion.sum() - np.trace(self.confusion))

    def metrics(self) -> dict[str, float]:
        """Return ``test_accuracy``, ``test_f1_macro`` and, for each class, ``test_f1_CLASS``; as MLflow wants names."""
        measured = {"test_accuracy": self.accuracy, "test_f1_macro": float(self.f1.mean())}
        for label, value in zip(self.classes, self.f1.tolist(), strict=True):
            name = f"test_f1_{_in_a_metric(label)}"
            # Labels may differ in nothing but what a metric's name cannot hold.
            names = (name, *(f"{name}_{number}" for number in range(2, len(self.classes) + 2)))
            measured[next(name for name in names if name not in measured)] = value
        return measured

    def confusion_json(self) -> str:
        """Return the confusion matrix and its labels as one JSON object."""
        return json.dumps({"labels": self.classes, "matrix": self.confusion.tolist()}, ensure_ascii=False)


@dataclass(frozen=True)
class Comparison:
    """Several inputs side by side: of each the scores of its classifiers, one per seed. ``str`` gives a table."""

    scores: dict[str, list[Scores]]
    version: str
    """The registered one's URI."""

    def to_json(self) -> str:
        """Return all numbers, 0 to 1, as one JSON object."""
        inputs = {
            name: {
                "accuracy": _mean([scores.accuracy for scores in of_input]),
                "accuracies": [scores.accuracy for scores in of_input],
                "errors": [scores.errors for scores in of_input],
                "f1": {label: _mean(values) for label, values in _f1_by_class(of_input).items()},
            }
            for name, of_input in self.scores.items()
        }
        return json.dumps({"inputs": inputs, "version": self.version}, ensure_ascii=False)

    def __str__(self) -> str:
        """In points of 100, means over seeds, the lowest and highest accuracy in brackets."""
        first = next(iter(self.scores.values()))[0]
        titles = ["input", "accuracy", "", *(f"F1 {label}" for label in first.classes)]
        rows = [
            [name, *_accuracy(of_input), *(f"{100 * _mean(f1):.2f}" for f1 in _f1_by_class(of_input).values())]
            for name, of_input in self.scores.items()
        ]
        widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
        lines = (
            [f"{row[0]:{widths[0]}}", *(f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))]
            for row in [titles, *rows]
        )
        return "\n".join("  ".join(line).rstrip() for line in lines)


def _accuracy(of_input: Sequence[Scores]) -> tuple[str, str]:
    accuracies = [100 * scores.accuracy for scores in of_input]
    spread = f"({min(accuracies):.2f} - {max(accuracies):.2f})" if len(accuracies) > 1 else ""
    return f"{_mean(accuracies):.2f}", spread


def _f1_by_class(of_input: Sequence[Scores]) -> dict[str, list[float]]:
    columns = np.stack([scores.f1 for scores in of_input], axis=1).tolist()
    return dict(zip(of_input[0].classes, columns, strict=True))


def _mean(values: Sequence[float]) -> float:
    return statistics.fmean(values)


def _in_a_metric(label: str) -> str:
    fit = label[:_LABEL_CHARACTERS]
    return "".join(character if character.isalnum() or character in "_-. " else "_" for character in fit)

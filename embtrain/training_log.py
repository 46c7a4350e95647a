"""What is told of a training while it goes on: the losses of its epochs in the log, and metrics in MLflow."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping

from embtrain.models.protocol import Tally
from embtrain.tracking import TrackedRun
from embtrain.train import Report

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_METRICS = 1.0
"""MLflow takes some milliseconds to log a round, as long as a GPU takes to train on it."""


class TrainingLog:
    """Tells of each epoch, and of the rounds since it last did: the loop's :data:`embtrain.train.Observer`.

    Args:
        run: where metrics go; None where nobody tracks.
        unit: of what is trained on, ``words`` or ``cells``.

    Attributes:
        losses: after the last epoch, by the names of their metrics.
    """

    def __init__(self, run: TrackedRun | None, unit: str) -> None:
        self.losses: dict[str, float] = {}
        self._run, self._unit = run, unit
        self._logged_at = -math.inf
        self._rounds, self._seconds = Tally(), 0.0
        """Not yet logged."""

    def __call__(self, report: Report) -> None:
        """Take a report; log what there is once a second, and at the end of each epoch."""
        self._rounds += report.tally
        self._seconds += report.seconds
        if report.epoch:
            self.losses |= _losses(report)
            logger.info("epoch %d: %s", report.position.epoch, _in_words(self.losses))
        if report.epoch or time.monotonic() - self._logged_at >= SECONDS_BETWEEN_METRICS:
            self._log(report)

    def _log(self, report: Report) -> None:
        if self._run:
            self._run.log_metrics(self._metrics(report), step=report.position.items)
        self._rounds, self._seconds = Tally(), 0.0
        self._logged_at = time.monotonic()

    def _metrics(self, report: Report) -> dict[str, float]:
        metrics: dict[str, float] = {}
        if self._rounds.items:
            metrics["train_loss"] = self._rounds.loss_per_pair
            metrics["learning_rate"] = report.learning_rate
            metrics[f"{self._unit}_per_second"] = self._rounds.items / self._seconds
        if report.epoch:
            metrics |= _losses(report) | {"epoch": report.position.epoch}
        return metrics


def _losses(report: Report) -> dict[str, float]:
    """Return the losses that are known at the end of an epoch."""
    tallies = {"epoch_loss": report.epoch, "held_out_loss": report.held_out}
    losses = {name: tally.loss_per_pair for name, tally in tallies.items() if tally and tally.pairs}
    measures = report.held_out.measures if report.held_out else {}
    return losses | {f"held_out_{name}": value for name, value in measures.items()}


def _in_words(losses: Mapping[str, float]) -> str:
    return ", ".join(
        f"{name.replace('_', ' ').replace('held out', 'held-out')} {loss:.4f}" for name, loss in losses.items()
    )

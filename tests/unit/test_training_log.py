"""What is told of a training: each epoch, and the rounds in between no more often than MLflow can take."""

import pytest

from embtrain import training_log
from embtrain.checkpoint import Position
from embtrain.models.protocol import Tally
from embtrain.train import Report
from embtrain.training_log import TrainingLog


class Kept:
    """A run that keeps its metrics, by step."""

    def __init__(self):
        self.metrics = {}

    def log_metrics(self, metrics, step):
        self.metrics[step] = metrics


def a_round(number, *, loss):
    return Report(Position(0, number, 100 * number), 0.1, Tally(100, 10, loss), seconds=0.5)


def end_of_epoch(items):
    return Report(Position(1, 0, items), 0.1, Tally(), 0.0, epoch=Tally(items, 40, 80.0), held_out=Tally(5, 5, 15.0))


def test_rounds_that_come_fast_are_logged_together_at_the_end_of_the_epoch_at_the_latest():
    run = Kept()
    log = TrainingLog(run, "words")
    for number, loss in enumerate([10.0, 20.0, 30.0, 10.0], start=1):
        log(a_round(number, loss=loss))
    log(end_of_epoch(400))
    assert list(run.metrics) == [100, 400]
    assert run.metrics[100] == {"train_loss": 1.0, "learning_rate": 0.1, "words_per_second": 200}
    assert run.metrics[400] == {
        "train_loss": 2.0,
        "learning_rate": 0.1,
        "words_per_second": 200,
        "epoch_loss": 2.0,
        "held_out_loss": 3.0,
        "epoch": 1,
    }


def test_rounds_that_come_slowly_are_logged_one_by_one(monkeypatch):
    monkeypatch.setattr(training_log, "SECONDS_BETWEEN_METRICS", 0)
    run = Kept()
    log = TrainingLog(run, "cells")
    for number in range(1, 4):
        log(a_round(number, loss=10.0 * number))
    assert [metrics["train_loss"] for metrics in run.metrics.values()] == [1, 2, 3]
    assert run.metrics[300]["cells_per_second"] == 200


@pytest.mark.parametrize("run", [None, Kept()])
def test_the_losses_of_the_last_epoch_are_kept(run):
    log = TrainingLog(run, "words")
    log(end_of_epoch(400))
    assert log.losses == {"epoch_loss": 2.0, "held_out_loss": 3.0}

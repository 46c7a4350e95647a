"""`embtrain train` with GloVe: two processes, a killed run, and what it cannot train on."""

import os
import signal
import subprocess
import time

import numpy as np
import pytest
from mlflow import MlflowClient

import embtrain
from corpora import counted_topics, two_topics
from end_to_end.test_training import TRAIN, TWO_PROCESSES, assert_topics_are_apart, only_run, start

RUN_FILE = """
name: toy
snapshot: snapshot
model: {type: glove, dim: 12}
train: {epochs: 60, threads: 1}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Be in a folder with a snapshot that has co-occurrences, and a run file."""
    counted_topics(tmp_path / "snapshot")
    (tmp_path / "toy.yaml").write_text(RUN_FILE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return tmp_path


def cost_curve(folder, experiment="embtrain"):
    """Return the cost per cell of each epoch, by the cells gone through."""
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    return {metric.step: metric.value for metric in client.get_metric_history(run.info.run_id, "epoch_loss")}


def test_two_processes_train_on_cells_that_have_no_row_in_common(folder):
    done = start(TWO_PROCESSES)
    assert done.returncode == 0, done.stderr
    curve = cost_curve(folder)
    assert list(curve) == [576 * epoch for epoch in range(1, 61)], "all 24 x 24 cells, once an epoch"
    assert curve[576 * 60] < 0.1 * curve[576]
    _, run = only_run(folder)
    assert {"cells_per_second", "train_loss", "learning_rate"} <= run.data.metrics.keys()
    assert_topics_are_apart(embtrain.load("models:/toy@champion"))
    assert not (folder / "checkpoints" / "toy").exists()


def test_two_processes_that_hold_columns_each_go_through_all_cells(folder):
    done = start(TWO_PROCESSES, "train.parallel=columns")
    assert done.returncode == 0, done.stderr
    curve = cost_curve(folder)
    assert list(curve) == [576 * epoch for epoch in range(1, 61)], "all 24 x 24 cells, once an epoch"
    assert curve[576 * 60] < 0.1 * curve[576]
    assert_topics_are_apart(embtrain.load("models:/toy@champion"))
    assert not (folder / "checkpoints" / "toy").exists()


def test_a_killed_run_has_the_cost_curve_of_one_that_was_not(folder):
    long = ["train.epochs=40", "train.checkpoint_seconds=0.01"]
    assert start(TRAIN, "name=uninterrupted", "track.experiment=other", *long).returncode == 0
    with subprocess.Popen([*TRAIN, *long], stderr=subprocess.DEVNULL) as killed:
        deadline = time.monotonic() + 120
        while not (folder / "checkpoints" / "toy" / "checkpoint.json").exists():
            assert killed.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(killed.pid, signal.SIGKILL)
    done = start(TRAIN, *long)
    assert done.returncode == 0, done.stderr
    assert cost_curve(folder) == cost_curve(folder, experiment="other")
    resumed, uninterrupted = embtrain.load("models:/toy@champion"), embtrain.load("models:/uninterrupted/1")
    np.testing.assert_array_equal(resumed.matrix, uninterrupted.matrix)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["model.x_max=0"], "model.x_max: input should be greater than 0, found 0"),
        (["model.dim=0"], "model.dim: input should be greater than or equal to 1, found 0"),
        (["model.window=5"], "'model.window' is a setting of another model.type than 'glove'"),
        (["snapshot=uncounted"], "has no table 'cooccurrence'; put `tables: [cooccurrence]` into the run file"),
    ],
)
def test_what_cannot_be_trained_ends_in_one_sentence(folder, overrides, sentence):
    two_topics(folder / "uncounted")
    done = start(TRAIN, *overrides)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "checkpoints" / "toy").exists()

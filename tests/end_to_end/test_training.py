"""`embtrain train` as a user starts it: one process, two, interrupted, and with what cannot be."""

import os
import re
import signal
import subprocess
import sys
import time

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient

import embtrain
from corpora import two_topics, with_characters

TRAIN = [sys.executable, "-m", "embtrain", "train", "--conf", "toy.yaml"]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
TWO_PROCESSES = [*TORCHRUN, "-m", "embtrain", "train", "--conf", "toy.yaml"]
WORDS = 380 * 12
"""Of the snapshot, without those held out."""
REFUSED = "exitcode  : 2 "
"""As torchrun tells of each process what code it ended with."""
RUN_FILE = """
name: toy
snapshot: snapshot
model: {dim: 16, window: 3}
train: {epochs: 40, threads: 1}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Be in a folder with a snapshot and a run file, and an MLflow database to come."""
    two_topics(tmp_path / "snapshot", rows_per_group=54)
    (tmp_path / "toy.yaml").write_text(RUN_FILE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # which MLflow has just set
    return tmp_path


def start(command, *overrides):
    return subprocess.run([*command, *overrides], capture_output=True, text=True, timeout=300, check=False)


def only_run(folder):
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name("embtrain").experiment_id])
    return client, run


def assert_topics_are_apart(vectors):
    for word in vectors.index_to_key:
        assert vectors.most_similar(word, topn=1)[0][0][0] == word[0]


def test_a_run_is_logged_and_its_vectors_are_registered_as_champion(folder):
    done = start(TRAIN)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "models:/toy/1"
    client, run = only_run(folder)
    assert run.info.status == "FINISHED"
    assert run.data.params["model.dim"] == "16"
    assert {"train_loss", "held_out_loss", "words_per_second", "learning_rate"} <= run.data.metrics.keys()
    history = client.get_metric_history(run.info.run_id, "held_out_loss")
    assert len(history) == 40
    assert history[-1].value < history[0].value
    assert run.inputs.dataset_inputs[0].dataset.name == "toy"
    assert {file.path for file in client.list_artifacts(run.info.run_id)} >= {"evaluation.json"}
    assert_topics_are_apart(embtrain.load("models:/toy@champion"))
    assert not (folder / "checkpoints" / "toy").exists()


def test_two_processes_train_one_model(folder):
    done = start(TWO_PROCESSES)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "models:/toy/1"
    client, run = only_run(folder)
    # Seven row groups for two processes: the last round is one process's alone.
    steps = {metric.step for metric in client.get_metric_history(run.info.run_id, "train_loss")}
    assert {WORDS * epoch for epoch in range(1, 41)} <= steps
    assert_topics_are_apart(embtrain.load("models:/toy@champion"))


def test_two_processes_that_hold_columns_each_go_through_the_whole_text(folder):
    two_topics(folder / "one_group", rows_per_group=1000)
    done = start(TWO_PROCESSES, "snapshot=one_group", "train.parallel=columns", "train.epochs=3")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "models:/toy/1"
    client, run = only_run(folder)
    steps = [metric.step for metric in client.get_metric_history(run.info.run_id, "epoch_loss")]
    assert steps == [WORDS, 2 * WORDS, 3 * WORDS], "one row group for both"
    assert embtrain.load("models:/toy@champion").vector_size == 16
    assert not (folder / "checkpoints" / "toy").exists()


def test_two_processes_of_one_thread_always_train_the_same_vectors(folder):
    for name in ("first", "second"):
        done = start(TWO_PROCESSES, f"name={name}", "train.epochs=3", "train.merge_words=50")
        assert done.returncode == 0, done.stderr
    first, second = (embtrain.load(f"models:/{name}@champion") for name in ("first", "second"))
    np.testing.assert_array_equal(first.matrix, second.matrix)


def test_a_killed_run_goes_on_in_the_same_mlflow_run_and_ends_as_if_it_never_stopped(folder):
    long = ["train.epochs=25", "train.checkpoint_seconds=0.01"]
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
    assert re.search(r"going on from checkpoints/toy: \d+\.\d % done", done.stderr)
    client, run = only_run(folder)
    assert run.info.status == "FINISHED"
    steps = [metric.step for metric in client.get_metric_history(run.info.run_id, "held_out_loss")]
    assert len(set(steps)) == 25
    resumed, whole = embtrain.load("models:/toy/1"), embtrain.load("models:/uninterrupted/1")
    np.testing.assert_array_equal(resumed.matrix, whole.matrix)


def test_a_run_that_is_told_to_end_saves_its_state_and_leaves_nothing_in_the_way(folder):
    with subprocess.Popen([*TRAIN, "train.epochs=300"], stderr=subprocess.PIPE, text=True) as told:
        first = next(line for line in told.stderr if line.startswith("epoch "))
        told.terminate()
        last = told.stderr.read().splitlines()[-1]
    assert "epoch 1:" in first
    assert told.returncode == 143
    assert last == ("embtrain: told to end (SIGTERM); the state is saved in checkpoints/toy: start it again to go on")
    assert list((folder / "snapshot").glob(".lease*")) == []
    assert only_run(folder)[1].info.status == "KILLED"
    assert (folder / "checkpoints/toy/checkpoint.json").exists()


def test_what_fails_after_the_training_does_not_cost_it(folder):
    (folder / "mlruns").write_text("where MLflow would keep its artifacts")
    failed = start(TRAIN)
    assert failed.returncode != 0
    (folder / "mlruns").unlink()
    done = start(TRAIN)
    assert done.returncode == 0, done.stderr
    assert "going on from checkpoints/toy: 100.0 % done" in done.stderr
    assert_topics_are_apart(embtrain.load("models:/toy@champion"))


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["snapshot=nowhere"], "the snapshot nowhere does not exist; run: embtrain prepare --conf"),
        (["track.uri=sqlite:////proc/none/mlflow.db"], "cannot be written to"),
        (["track.uri=http://127.0.0.1:9"], "MLflow at http://127.0.0.1:9 cannot be used"),
        (["train.checkpoint=toy.yaml/x"], "cannot keep checkpoints in toy.yaml/x"),
        (["evaluate.similarity=[typo.tsv]"], "there is no evaluation file typo.tsv"),
        (["model.learning_rate=10"], "the training has diverged; lower model.learning_rate, which is 10"),
        (["model.dimm=3"], "unknown setting 'model.dimm'; did you mean 'model.dim'?"),
        (["train.epochs=0"], "train.epochs: input should be greater than or equal to 1, found 0"),
    ],
)
def test_what_cannot_be_ends_in_one_sentence_and_registers_nothing(folder, overrides, sentence):
    done = start(TRAIN, *overrides)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not list(folder.glob("mlruns/**/vectors.safetensors"))


def test_more_processes_than_row_groups_end_the_run(folder):
    two_topics(folder / "one_group", rows_per_group=1000)
    done = start(TWO_PROCESSES, "snapshot=one_group")
    assert done.returncode != 0
    assert "2 processes cannot share 1 row groups" in done.stderr
    assert not (folder / "mlflow.db").exists(), "it is seen before the run begins"
    assert REFUSED in done.stderr


@pytest.mark.usefixtures("folder")
def test_processes_that_were_given_different_settings_end_the_run():
    own_dim = "model.dim=$((16 + RANK))"
    command = f"{sys.executable} -m embtrain train --conf toy.yaml {own_dim}"
    done = start([*TORCHRUN, "--no-python", "bash", "-c", command])
    assert done.returncode != 0
    assert "the configuration of rank 1 differs from that of rank 0" in done.stderr
    assert REFUSED in done.stderr


def test_processes_that_see_different_snapshots_end_the_run(folder):
    with_characters(two_topics(folder / "other"))
    own_snapshot = "snapshot=$([ $RANK = 0 ] && echo snapshot || echo other)"
    done = start(
        [*TORCHRUN, "--no-python", "bash", "-c", f"{sys.executable} -m embtrain train --conf toy.yaml {own_snapshot}"]
    )
    assert done.returncode != 0
    assert "embtrain: the snapshot of rank 1 differs from that of rank 0" in done.stderr
    assert REFUSED in done.stderr


@pytest.mark.usefixtures("folder")
def test_when_the_first_process_ends_the_others_show_no_stack_trace():
    done = start(TWO_PROCESSES, "track.uri=http://127.0.0.1:9")
    assert done.returncode != 0
    assert "MLflow at http://127.0.0.1:9 cannot be used" in done.stderr
    assert "embtrain/workflow.py" not in done.stderr, "torchrun shows a trace of its own, of what it ran"


def test_a_snapshot_whose_file_was_cut_short_is_refused(folder):
    (part,) = (folder / "snapshot" / "sequences-toy").glob("*.parquet")
    part.write_bytes(part.read_bytes()[:-100])
    done = start(TRAIN)
    assert done.returncode == 2
    assert "was changed or cut short after it was written" in done.stderr

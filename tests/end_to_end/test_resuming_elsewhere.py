"""A process that dies ends the run, and the run goes on from its checkpoint with as many processes as one likes."""

import shutil
import signal
import subprocess
import sys
import time
from functools import cache

import psutil
import pytest
import torch
from mlflow import MlflowClient

from corpora import counted_topics, two_topics, with_characters
from embtrain import workflow
from embtrain.config import Settings
from embtrain.distributed import Group, _others_alive, _told_to_end
from embtrain.errors import SetupError
from end_to_end.test_training import TRAIN

ELMO = "{type: elmo, char_dim: 4, filters: [[1, 8]], projection_dim: 8, cell_dim: 16, batch_size: 4, unroll_steps: 10}"
MODELS = {"sgns": ("{dim: 16, window: 3}", 40), "glove": ("{type: glove, dim: 12}", 60), "elmo": (ELMO, 6)}


def torchrun(processes, *overrides):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return [*launcher, *TRAIN[1:], *overrides]


@pytest.fixture(scope="module")
def died(tmp_path_factory):
    """Give, by a model's name, a folder with the checkpoint of a run of two processes, one of which was killed."""
    return cache(lambda name: a_killed_run(tmp_path_factory.mktemp(name), name))


def a_killed_run(folder, name):
    """Return the folder, the epochs that the run should have had, and how it ended."""
    snapshot = counted_topics if name == "glove" else two_topics
    with_characters(snapshot(folder / "snapshot", **({} if name == "glove" else {"rows_per_group": 54})))
    model, epochs = MODELS[name]
    train = f"{{epochs: {epochs}, threads: 1, checkpoint_seconds: 0.01}}"
    (folder / "toy.yaml").write_text(f"name: toy\nsnapshot: snapshot\nmodel: {model}\ntrain: {train}\n")
    return folder, epochs, end_of_a_killed_run(folder)


def end_of_a_killed_run(folder):
    """Kill the second of two processes once there is a checkpoint; return how long the run lasted, and what it said."""
    with subprocess.Popen(torchrun(2), cwd=folder, stderr=subprocess.PIPE, text=True) as run:
        deadline = time.monotonic() + 200
        while not (folder / "checkpoints" / "toy" / "checkpoint.json").exists():
            assert run.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        (second,) = [child for child in psutil.Process(run.pid).children() if child.environ()["RANK"] == "1"]
        second.send_signal(signal.SIGKILL)
        killed = time.monotonic()
        _, said = run.communicate(timeout=100)
        assert run.returncode != 0
    return time.monotonic() - killed, said


@pytest.mark.parametrize("name", MODELS)
def test_when_a_process_dies_the_others_say_so_and_end(died, name):
    _, _, (seconds, said) = died(name)
    assert "another process of this training has ended" in said, said
    assert "embtrain/workflow.py" not in said, "torchrun shows a trace of its own, of what it ran"
    assert seconds < 60


@pytest.mark.parametrize(
    ("name", "processes", "parallel"),
    [("sgns", 3, "data"), ("glove", 1, "data"), ("glove", 3, "columns"), ("elmo", 1, "data")],
)
def test_the_run_goes_on_with_another_number_of_processes(died, tmp_path, name, processes, parallel):
    folder, epochs, _ = died(name)
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    command = torchrun(processes, "train.checkpoint_seconds=300", f"train.parallel={parallel}")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "going on from checkpoints/toy" in done.stderr
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name("embtrain").experiment_id])
    losses = client.get_metric_history(run.info.run_id, "epoch_loss")
    items = sorted({metric.step for metric in losses})
    assert items == [items[0] * epoch for epoch in range(1, epochs + 1)], "each epoch goes through all text once"
    assert losses[-1].value < losses[0].value


def test_a_process_that_its_launcher_ends_says_why():
    with _told_to_end(), pytest.raises(SetupError, match=r"the launcher has ended this process \(SIGTERM\)"):
        signal.raise_signal(signal.SIGTERM)


def test_a_gpu_that_is_full_is_not_said_to_be_another_process():
    with pytest.raises(torch.OutOfMemoryError, match="CUDA out of memory"), _others_alive():
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_a_process_without_a_gpu_of_its_own_is_refused(monkeypatch):
    monkeypatch.setattr(workflow, "device_for", lambda *_, **__: "cuda")
    with pytest.raises(SetupError, match=r"rank 0 has no GPU of its own: the 2 processes of this machine find fewer"):
        workflow._device(Settings(name="toy"), Group(0, 1, 2, has_own_gpu=False))


def test_a_checkpoint_that_does_not_fit_ends_all_processes_in_a_sentence(died):
    folder, _, _ = died("sgns")
    command = torchrun(2, "model.dim=17")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode != 0
    made_with = "was made with another model (dim 16, now 17); set train.stale_checkpoint=discard to start anew"
    assert f"embtrain: the checkpoint in checkpoints/toy {made_with}" in done.stderr
    assert "embtrain/workflow.py" not in done.stderr, "torchrun shows a trace of its own, of what it ran"

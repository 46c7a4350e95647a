"""Processes on Spark's workers: what is seen before they start, and what is read of what they print."""

import io
import os
import re
import signal
import subprocess
import sys

import pytest

from corpora import two_topics
from embtrain.distributed import _others_alive, _told_to_end
from embtrain.errors import SetupError
from jobs import train_vectors
from pipelines.distributor import Placement, Printed, options_for_training, place, require_slots


def test_of_what_follows_a_sentence_nothing_is_shown():
    shown = io.StringIO()
    printed = Printed("job.py", shown)
    for text in ("started\ntrain: 0 %\rjob.py: no ", "such snapshot\n", "Traceback (most recent call last)\n"):
        printed.write(text)
    assert printed.sentences == ["no such snapshot"]
    assert shown.getvalue() == "started\n"


def sentences_of_those_that_another_ended():
    with pytest.raises(SetupError) as lost, _others_alive():
        raise RuntimeError("Connection closed by peer")
    with pytest.raises(SetupError) as told, _told_to_end():
        signal.raise_signal(signal.SIGTERM)
    return [str(lost.value), str(told.value)]


def test_why_processes_ended_is_not_that_another_one_did():
    printed = Printed("job.py", io.StringIO())
    others = sentences_of_those_that_another_ended()
    for sentence in (*others, "the disk is full", "no such snapshot"):
        printed.write(f"job.py: {sentence}\n")
    assert printed.cause == "the disk is full"


def test_where_no_process_says_why_it_is_said_that_one_ended():
    printed = Printed("job.py", io.StringIO())
    assert printed.cause is None
    lost, told = sentences_of_those_that_another_ended()
    printed.write(f"job.py: {told}\njob.py: {lost}\n")
    assert printed.cause == told


@pytest.mark.spark
def test_more_tasks_than_slots_are_said_instead_of_waited_for(spark):
    require_slots(spark, 2, patience_seconds=0)
    with pytest.raises(
        SetupError, match=r"3 tasks must start together, but after 0 s .* Spark has room for 2; start fewer"
    ):
        require_slots(spark, 3, patience_seconds=0)


@pytest.mark.spark
def test_on_one_machine_torchrun_starts_the_processes(spark):
    assert place(spark, 5, needs_gpu=True) == Placement(local=True, gpus=0, threads=None)


@pytest.mark.parametrize("options", [["--distributor"], ["--processes", "2"], ["--distributor", "--processes", "0"]])
def test_processes_and_distributor_need_each_other(options, capsys):
    with pytest.raises(SystemExit):
        train_vectors.main(["--conf", "toy.yaml", *options])
    assert "--distributor and --processes N, which is 1 or more, need each other" in capsys.readouterr().err


def test_a_machine_without_the_folder_of_the_job_says_so(tmp_path, capsys):
    assert train_vectors.main(["--conf", "toy.yaml", "--folder", str(tmp_path / "absent")]) == 2
    assert "start it in a folder that all machines share under the same path" in capsys.readouterr().err


def test_without_the_distributor_the_job_trains_in_its_own_process(tmp_path):
    two_topics(tmp_path / "snapshot")
    (tmp_path / "toy.yaml").write_text("name: toy\nsnapshot: snapshot\nmodel: {dim: 8}\n")
    command = [sys.executable, "-m", "jobs.train_vectors", "--conf", "toy.yaml", "train.epochs=1"]
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "models:/toy/1\n"), done.stderr


def test_processes_find_mlflow_by_their_environment(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:secret@db/mlflow")
    options = options_for_training()
    assert options["spark.executorEnv.MLFLOW_TRACKING_URI"] == "postgresql://me:secret@db/mlflow"
    assert re.search(options["spark.redaction.regex"], "spark.executorEnv.MLFLOW_TRACKING_URI")

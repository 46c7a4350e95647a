"""On clusters: the tables of local mode, bit for bit, also when a machine fails; and processes that train."""

import os
import random
import re
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import mlflow
import pytest

import embtrain
from cluster import (
    FOR_EXECUTORS,
    FOR_THE_DRIVER,
    FOR_TRAINING,
    bare_python,
    spark_home,
    standalone_cluster,
    submit,
    zip_packages,
)
from corpora import two_topics
from embtrain.config import FurtherTable
from embtrain.manifest import Snapshot
from embtrain.settings import load_settings
from pipelines.prepare import prepare

pytestmark = pytest.mark.spark


def lines(seed):
    """Yield sentences of frequent and rare words, English and Korean, with a byte here and there that is no UTF-8."""
    choose = random.Random(seed)
    for number in range(3000):
        words = [f"word{int(choose.paretovariate(0.8))}" for _ in range(choose.randrange(1, 30))]
        yield " ".join([*words, "낱말"]).encode() + (b" \xff.\n" if number % 500 == 0 else b".\n")


@pytest.fixture(scope="module")
def conf(tmp_path_factory):
    """Give a run file that names no snapshot: each run says its own."""
    folder = tmp_path_factory.mktemp("corpus")
    for seed in range(3):
        (folder / f"{seed}.txt").write_bytes(b"".join(lines(seed)))
    path = folder / "run.yaml"
    path.write_text(
        f"name: cluster\nsnapshot: absent\ncorpus: {{paths: [{folder}/*.txt], held_out: 0.05}}\n"
        f"vocabulary: {{min_count: 2}}\nspark: {{partitions: 3}}\ntables: [{', '.join(get_args(FurtherTable))}]\n"
    )
    return path


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    return zip_packages(tmp_path_factory.mktemp("dist") / "embtrain.zip")


@pytest.fixture(scope="module")
def pythons(tmp_path_factory):
    """Give Pythons that have what the documentation asks for, and no more: the zip is all that they see of embtrain."""
    executors = bare_python(tmp_path_factory.mktemp("executors"), FOR_EXECUTORS)
    driver = bare_python(tmp_path_factory.mktemp("driver"), FOR_THE_DRIVER)
    return {"PYSPARK_PYTHON": str(executors), "PYSPARK_DRIVER_PYTHON": str(driver)}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with standalone_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def local(spark, conf, tmp_path_factory):
    """Give the tables of a run on this machine, from the checkout."""
    folder = tmp_path_factory.mktemp("local") / "snapshot"
    prepare(spark, load_settings(conf, [f"snapshot={folder}"]))
    return files_of(folder)


def files_of(folder):
    """Return each file of a snapshot's tables, by table, fingerprint and number: all bytes that stand for rows.

    The footer is left out. It lists a column's encodings in an order that Java's memory addresses decide.
    """
    return {
        (table, location.rpartition("-")[0], path.name.split("-")[1]): without_footer(path.read_bytes())
        for table, location in Snapshot.open(str(folder)).tables.items()
        for path in (folder / location).glob("*.parquet")
    }


def without_footer(parquet):
    return parquet[: -8 - int.from_bytes(parquet[-8:-4], "little")]


@pytest.fixture(scope="module")
def start(conf, packages, pythons):
    """Give a function that submits the job to a master; job and snapshot lie in a folder."""

    def start(folder, master, **variables):
        return submit(
            folder, master, packages, ["--conf", conf, f"snapshot={folder / 'snapshot'}"], **pythons, **variables
        )

    return start


def wait(run, folder):
    """Wait for a run to end well; return what it printed."""
    run.wait(timeout=300)
    output = (folder / "job.log").read_text(encoding="utf-8")
    assert run.returncode == 0, output
    return output


@dataclass(frozen=True)
class TwoRuns:
    """A snapshot, and what the two runs printed that made it."""

    snapshot: Path
    first: str
    second: str


@pytest.fixture(scope="module")
def on_cluster(cluster, start, tmp_path_factory):
    """Kill an executor that writes sentences, kill the job when it writes the vocabulary, and start it again."""
    folder = tmp_path_factory.mktemp("on-cluster")
    run = start(folder, cluster.master)
    wait_until_written(run, folder, "sentences")
    cluster.executors()[0].kill()
    wait_until_written(run, folder, "vocabulary")
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    first = (folder / "job.log").read_text(encoding="utf-8")
    return TwoRuns(folder / "snapshot", first, wait(start(folder, cluster.master), folder))


def wait_until_written(run, folder, table):
    """Wait until a task has begun to write a table."""
    while not any((folder / "snapshot").glob(f"{table}-*/_temporary/0/_temporary/attempt*")):
        assert run.poll() is None, (folder / "job.log").read_text(encoding="utf-8")
        time.sleep(0.005)


def test_machines_that_have_nothing_but_the_zip_give_the_tables_of_local_mode(on_cluster, local):
    assert files_of(on_cluster.snapshot) == local


def test_an_executor_that_is_killed_while_it_writes_costs_time_alone(on_cluster):
    assert "Lost executor" in on_cluster.first
    assert re.search(r"^sentences +read ", on_cluster.first, re.MULTILINE)


def test_a_job_that_was_killed_goes_on_after_the_last_table_that_it_finished(on_cluster):
    assert re.search(r"^sentences +unchanged, skipped", on_cluster.second, re.MULTILINE)
    assert re.search(r"^vocabulary +read ", on_cluster.second, re.MULTILINE)


def test_local_cluster_gives_the_tables_of_local_mode(local, start, tmp_path):
    home = spark_home(tmp_path / "spark")
    wait(start(tmp_path, "local-cluster[2,1,1024]", SPARK_HOME=str(home)), tmp_path)
    assert files_of(tmp_path / "snapshot") == local


@pytest.fixture(scope="module")
def trainer(tmp_path_factory):
    """Give a Python that has what the documentation asks for where vectors are trained, and no more."""
    return str(bare_python(tmp_path_factory.mktemp("trainer"), FOR_TRAINING))


@pytest.fixture
def train(cluster, packages, trainer, tmp_path):
    """Give a function that trains on two workers, and returns the code and what was printed."""
    two_topics(tmp_path / "snapshot", rows_per_group=54)
    (tmp_path / "toy.yaml").write_text(
        "name: toy\nsnapshot: snapshot\nmodel: {dim: 16, window: 3}\ntrain: {epochs: 2}\n"
    )

    def train(*overrides):
        arguments = ["--conf", "toy.yaml", *overrides, "--distributor", "--processes", 2]
        patience = ["--conf", "spark.scheduler.maxRegisteredResourcesWaitingTime=200s"]
        job = {
            "job": "train_vectors.py",
            "options": patience,
            "PYSPARK_PYTHON": trainer,
            "PYSPARK_DRIVER_PYTHON": trainer,
        }
        run = submit(tmp_path, cluster.master, packages, arguments, **job)
        try:
            run.wait(timeout=500)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
        return run.returncode, (tmp_path / "job.log").read_text(encoding="utf-8")

    return train


def test_two_workers_train_one_model_in_the_folder_of_the_job(train, tmp_path):
    code, printed = train()
    assert code == 0, printed
    assert printed.splitlines()[-1] == "models:/toy/1"
    assert not list(tmp_path.glob(".version-*"))
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    assert len(embtrain.load("models:/toy@champion")) == 24


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("snapshot=one_group", "2 processes cannot share 1 row groups; start at most one process per row group"),
        ("train.device=cuda", "train.device is cuda, but Spark gives its tasks no GPU; start spark-submit with"),
    ],
)
def test_what_processes_cannot_train_is_the_jobs_only_sentence(train, tmp_path, override, sentence):
    two_topics(tmp_path / "one_group", rows_per_group=1000)
    code, printed = train(override)
    assert code == 2, printed
    (said,) = [line for line in printed.splitlines() if line.startswith("train_vectors.py: ")]
    assert said.startswith(f"train_vectors.py: {sentence}")
    assert "Traceback" not in printed
    assert "\tat org.apache.spark" not in printed

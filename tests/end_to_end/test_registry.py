"""Runs and versions in a real MLflow on SQLite: registered, loaded back, served over HTTP and in Spark."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from zipfile import ZipFile

import mlflow
import numpy as np
import pandas as pd
import pytest
import requests

import embtrain
from embtrain import formats, registry
from embtrain.config import Settings, TrackSettings
from embtrain.errors import FormatError, ModelNotFoundError, SetupError
from embtrain.manifest import Manifest, Snapshot, write_manifest
from embtrain.storage import Location
from embtrain.text import TextRules
from embtrain.tracking import TrackedRun, connect, start_run
from embtrain.vectors import Vectors

ROOT = Path(__file__).resolve().parents[2]
URI = "models:/royal.v1@champion"

MLFLOWS_OWN_RETRIES_SECONDS = 60
"""Less than MLflow waits, unless it is told to be impatient: two minutes and more."""


@pytest.fixture(scope="module")
def vectors():
    matrix = [[3, 3, 0], [3, -3, 0], [1, 1, 1], [1, -1, 1], [0, 0.1, -2]]
    return Vectors(["king", "queen", "man", "woman", "사과"], np.array(matrix, np.float32), [50, 40, 30, 20, 10])


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The environment of a process that uses an MLflow of its own."""
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        yield dict(os.environ)


@pytest.fixture(scope="module")
def run_id(server, vectors):
    """A run whose vectors are version 1 of ``royal.v1``."""
    with start_run(TrackSettings(), "royal") as run:
        uri = registry.register(
            vectors,
            run_id=run.run_id,
            name="royal.v1",
            alias="champion",
            metrics={"similarity/EN-WS-353-ALL": 2 / 3},
            tags={"snapshot": "3f1c9a0b7d24"},
        )
    assert uri == "models:/royal.v1/1"
    return run.run_id


@pytest.fixture(scope="module")
def served(run_id):
    return mlflow.pyfunc.load_model(URI)


def table(**columns):
    return pd.DataFrame(columns)


def test_a_run_keeps_settings_metrics_artifacts_and_the_snapshot(server, tmp_path):
    location = Location.of(tmp_path)
    snapshot = Snapshot(location, {"sequences": "sequences-0123"})
    location.filesystem.create_dir(f"{location.path}/sequences-0123")
    write_manifest(location / "sequences-0123", Manifest("sequences", "0123", rows=7, parts=[], tokens=90))
    settings = Settings(name="royal", evaluate={"similarity": ["a.txt", "b.txt"]})
    with start_run(settings.track, settings.name) as run:
        run.log_settings(settings)
        run.log_snapshot("royal", snapshot)
        run.log_metrics({"loss": 2.5, "words_per_second": 1e6}, step=10)
        run.log_metrics({"loss": 1.5}, step=20)
        run.log_text('{"similarity": []}', "evaluation.json")
    kept = run.client.get_run(run.run_id)
    assert kept.info.status == "FINISHED"
    assert kept.info.run_name == "royal"
    assert kept.data.params["model.dim"] == "100"
    assert kept.data.params["evaluate.similarity"] == "a.txt, b.txt"
    assert [(loss.step, loss.value) for loss in run.client.get_metric_history(run.run_id, "loss")] == [
        (10, 2.5),
        (20, 1.5),
    ]
    assert mlflow.artifacts.load_dict(f"{kept.info.artifact_uri}/evaluation.json") == {"similarity": []}
    (dataset,) = [logged.dataset for logged in kept.inputs.dataset_inputs]
    assert (dataset.name, dataset.digest) == ("royal", snapshot.fingerprint)
    assert json.loads(dataset.source) == {"uri": str(tmp_path)}
    assert json.loads(dataset.profile) == {"sequences": {"rows": 7, "tokens": 90}}


def test_no_password_becomes_a_parameter(server, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow.get_tracking_uri())
    settings = Settings(name="secret", track={"uri": "postgresql://me:secret@db/mlflow"})
    with start_run(settings.track, settings.name) as run:
        run.log_settings(settings)
    assert run.client.get_run(run.run_id).data.params["track.uri"] == "postgresql://***@db/mlflow"


def test_a_run_that_raises_has_failed_and_can_be_gone_on_with(server):
    def be_cut_off():
        with start_run(TrackSettings(), "cut") as run:
            run.log_settings(Settings(name="cut", train={"threads": 1}))
            raise RuntimeError(run.run_id)

    with pytest.raises(RuntimeError) as raised:
        be_cut_off()
    run_id, client = str(raised.value), connect()
    assert client.get_run(run_id).info.status == "FAILED"
    with start_run(TrackSettings(), "cut", run_id) as resumed:
        resumed.log_settings(Settings(name="cut", train={"threads": 2}))
    assert resumed.run_id == run_id
    assert client.get_run(run_id).info.status == "FINISHED"
    assert client.get_run(run_id).data.params["train.threads"] == "1"


def test_a_run_that_is_there_no_more_is_followed_by_a_new_one(server):
    with start_run(TrackSettings(), "cut", "abc") as run:
        assert run.run_id != "abc"


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("http://127.0.0.1:9", "MLflow at http://127.0.0.1:9 cannot be used: no server answers there"),
        ("sqlite:////dev/null/mlflow.db", "database /dev/null/mlflow.db cannot be written to"),
        ("bogus://nowhere", "MLflow at bogus://nowhere cannot be used"),
    ],
)
def test_an_mlflow_that_cannot_be_used_is_told_within_seconds(server, monkeypatch, uri, message):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    started = time.monotonic()
    with pytest.raises(SetupError, match=message):
        connect()
    assert time.monotonic() - started < MLFLOWS_OWN_RETRIES_SECONDS


def test_metrics_that_mlflow_cannot_take_are_told_once_and_the_training_goes_on(server, caplog):
    with start_run(TrackSettings(), "unlucky") as run:
        run.client.delete_run(run.run_id)
        run.log_metrics({"loss": 3}, step=1)
        run.log_metrics({"loss": 2}, step=2)
        run.client.restore_run(run.run_id)
        run.log_metrics({"loss": 1}, step=3)
    [warning] = [message for message in caplog.messages if message.startswith("MLflow misses some metrics: ")]
    assert "must be in the 'active' state" in warning
    assert [loss.value for loss in run.client.get_metric_history(run.run_id, "loss")] == [1]


def test_a_server_that_has_gone_away_holds_a_training_up_for_seconds(caplog):
    started = time.monotonic()
    TrackedRun("0123", mlflow.MlflowClient("http://127.0.0.1:9")).log_metrics({"loss": 3})
    assert "MLflow misses some metrics: no server answers there" in caplog.messages
    assert time.monotonic() - started < MLFLOWS_OWN_RETRIES_SECONDS


def run_that_is_deleted_on_its_way(error=None):
    with start_run(TrackSettings(), "deleted") as run:
        run.client.delete_run(run.run_id)
        if error:
            raise error
        run.log_settings(Settings(name="deleted"))


def test_what_a_run_cannot_keep_is_told_in_one_sentence(server):
    with pytest.raises(SetupError, match=r"^MLflow at sqlite:.* cannot be used: .*$"):
        run_that_is_deleted_on_its_way()
    assert mlflow.active_run() is None


def test_an_error_of_the_training_is_told_even_if_mlflow_fails_too(server):
    with pytest.raises(FormatError, match="the training's own"):
        run_that_is_deleted_on_its_way(FormatError("the training's own"))


def test_loading_makes_no_database_where_there_is_none(server, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(SetupError, match=f"there is no MLflow database {tmp_path}/mlflow.db; "):
        embtrain.load("models:/x@champion")
    assert not list(tmp_path.iterdir())


def test_the_environment_comes_before_the_settings_and_is_left_as_it_was(server, monkeypatch, tmp_path):
    connect(f"sqlite:///{tmp_path}/other.db")
    assert not (tmp_path / "other.db").exists()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    connect(f"sqlite:///{tmp_path}/other.db")
    assert (tmp_path / "other.db").exists()
    assert "MLFLOW_TRACKING_URI" not in os.environ


@pytest.mark.parametrize("uri", [URI, "models:/royal.v1/1", "models:/royal.v1/latest", "runs:/{run_id}/vectors"])
def test_load_gives_the_very_vectors_that_were_registered(run_id, vectors, uri):
    found = embtrain.load(uri.format(run_id=run_id))
    assert found.index_to_key == vectors.index_to_key
    assert found.matrix.tobytes() == vectors.matrix.tobytes()
    assert found.counts.tolist() == vectors.counts.tolist()


def test_load_reads_files_too(vectors, tmp_path):
    formats.write(vectors, tmp_path / "royal.vec", "word2vec")
    assert embtrain.load(tmp_path / "royal.vec").index_to_key == vectors.index_to_key
    with pytest.raises(FormatError, match="there is no file or folder"):
        embtrain.load("royal@champion")


def test_a_version_tells_what_it_was_made_from_and_measured_at(run_id):
    version = connect().get_model_version_by_alias("royal.v1", "champion")
    assert version.run_id == run_id
    assert version.tags == {"similarity/EN-WS-353-ALL": "0.666667", "snapshot": "3f1c9a0b7d24"}


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("models:/royal@champion", "no registered model 'royal'; did you mean 'royal.v1'?"),
        ("models:/wiki/1", "no registered model 'wiki'; registered are: royal.v1"),
        ("models:/royal.v1@challenger", "no alias 'challenger'; its aliases are: champion"),
        ("models:/royal.v1/7", "no version 7; its versions are: 1"),
        ("models:/royal.v1", "no vectors at models:/royal.v1"),
        ("runs:/0123/vectors", "no vectors at runs:/0123/vectors"),
    ],
)
def test_a_model_that_is_not_there_is_told_with_those_that_are(run_id, uri, message):
    with pytest.raises(ModelNotFoundError) as raised:
        embtrain.load(uri)
    assert message in str(raised.value)


def test_a_version_that_answers_wrongly_is_removed_and_the_alias_stays(run_id, vectors, monkeypatch):
    altered = Vectors(vectors.index_to_key, vectors.matrix + 1, vectors.counts)
    write = formats.write
    monkeypatch.setattr(formats, "write", lambda _, path, name: write(altered, path, name))
    with pytest.raises(SetupError, match="gives another vector for 'king'"):
        registry.register(vectors, run_id=run_id, name="royal.v1", alias="champion")
    assert [str(version.version) for version in connect().search_model_versions("name='royal.v1'")] == ["1"]
    assert str(connect().get_model_version_by_alias("royal.v1", "champion").version) == "1"


def test_a_version_asks_for_what_its_tokeniser_needs():
    assert registry.text_requirements(TextRules(tokenizer="morphemes")) == ("kiwipiepy", "kiwipiepy_model")
    assert registry.text_requirements(TextRules()) == registry.text_requirements(None) == ()


def test_nothing_in_a_version_is_pickled(run_id, tmp_path):
    folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=URI, dst_path=tmp_path))
    assert not [path for path in folder.rglob("*") if path.suffix in {".pkl", ".pickle", ".pt", ".bin"}]
    assert (folder / "artifacts" / "vectors" / "vectors.safetensors").exists()


def test_predict_gives_vectors(served, vectors):
    expected = vectors[["queen", "king"]].tolist()
    assert served.predict(table(word=["queen", "king"])).tolist() == expected
    assert served.predict({"word": ["queen", "king"]}).tolist() == expected


def test_predict_gives_nearest_words(served, vectors):
    found = served.predict(table(word=["man"]), params={"task": "nearest", "topn": 2})
    expected = vectors.most_similar("man", topn=2)
    assert found["words"].tolist() == [[word for word, _ in expected]]
    assert found["similarities"][0] == pytest.approx([similarity for _, similarity in expected])


def test_predict_solves_analogies(served):
    found = served.predict(table(a=["man"], b=["king"], c=["woman"]), params={"task": "analogy", "topn": 1})
    assert found["words"].tolist() == [["queen"]]


def test_predict_gives_means_of_the_words_of_texts(served, vectors):
    found = served.predict(table(text=["king queen kng", None]), params={"task": "text"})
    assert found.tolist() == vectors.encode_texts(["king queen", ""]).tolist()


def test_unknown_words_and_nulls_can_be_skipped(served):
    assert served.predict({"word": []}).shape == (0, 3)
    words = table(word=["kng", "king", None])
    assert served.predict(words, params={"unknown": "skip"})[:, 0].tolist() == [0, 3, 0]
    nearest = served.predict(words, params={"unknown": "skip", "task": "nearest", "topn": 1})
    assert [len(found) for found in nearest["words"]] == [0, 1, 0]


@pytest.mark.parametrize(
    ("rows", "params", "message"),
    [
        ({"word": ["kng"]}, {}, "did you mean 'king'?"),
        ({"word": ["king"]}, {"task": "translate"}, "no task 'translate'; expected one of vector, nearest, analogy"),
        ({"word": ["king"]}, {"task": "analogy"}, "reads the columns a, b, c; found word"),
    ],
)
def test_a_question_that_cannot_be_answered_is_told_why(served, rows, params, message):
    with pytest.raises(mlflow.MlflowException) as raised:
        served.predict(table(**rows), params=params)
    assert message in str(raised.value)


def test_a_version_loads_where_torch_spark_and_embtrain_are_not_installed(run_id, server, tmp_path):
    program = f"""
import sys
sys.modules |= dict.fromkeys(["torch", "pyspark", "numba", "scipy", "gensim"])
import mlflow
model = mlflow.pyfunc.load_model({URI!r})
import embtrain
print(embtrain.__file__, model.predict({{"word": ["king"]}}).tolist())
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=server, capture_output=True, text=True, check=True
    )
    assert "/artifacts/code/embtrain/__init__.py [[3.0, 3.0, 0.0]]" in ran.stdout


@pytest.mark.spark
def test_a_version_vectorises_a_table_in_spark(run_id, server):
    program = f"""
import mlflow
from pyspark.sql import functions as F
from embtrain.config import SparkSettings
from pipelines.session import spark_session
with spark_session(SparkSettings(master="local[1]", driver_memory="1g", partitions=1), "test") as spark:
    words = spark.createDataFrame([("king", "man", "king", "woman"), ("nobody", "x", "y", "z")], ["w", "a", "b", "c"])
    skip = {{"unknown": "skip"}}
    vector = mlflow.pyfunc.spark_udf(spark, {URI!r}, "array<float>", params=skip)
    params = {{"task": "analogy", "topn": 1, **skip}}
    solve = mlflow.pyfunc.spark_udf(spark, {URI!r}, "words array<string>, similarities array<float>", params=params)
    rows = words.select(vector("w").alias("vector"), solve(F.struct("a", "b", "c")).alias("answer")).collect()
    print([(row.vector, row.answer.words) for row in rows])
"""
    env = {**server, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[([3.0, 3.0, 0.0], ['queen']), ([0.0, 0.0, 0.0], [])]"


@pytest.fixture(scope="module")
def endpoint(run_id, server):
    """The address at which ``mlflow models serve`` answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["-m", "mlflow", "models", "serve", "-m", URI, "--env-manager", "local", "--port", str(port)]
    with subprocess.Popen(
        [sys.executable, *command, "--workers", "1"], env=server, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            wait_for(f"http://127.0.0.1:{port}/ping", process)
            yield f"http://127.0.0.1:{port}/invocations"
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def wait_for(address, process):
    for _ in range(600):
        assert process.poll() is None
        try:
            requests.get(address, timeout=5)
        except requests.ConnectionError:
            time.sleep(0.1)
        else:
            return


def post(endpoint, question):
    answer = requests.post(endpoint, json=question, timeout=30)
    return answer.status_code, answer.json()


def test_a_version_is_served_over_http(endpoint):
    status, answer = post(endpoint, {"inputs": {"word": ["king"]}})
    assert (status, answer) == (200, {"predictions": [[3, 3, 0]]})
    analogy = {"dataframe_records": [{"a": "man", "b": "king", "c": "woman"}], "params": {"task": "analogy", "topn": 1}}
    status, answer = post(endpoint, analogy)
    assert answer["predictions"][0]["words"] == ["queen"]


def test_an_unknown_word_over_http_is_a_bad_request_with_the_closest_spelling(endpoint):
    status, answer = post(endpoint, {"inputs": {"word": ["kng"]}})
    assert status == 400
    assert "did you mean 'king'?" in answer["message"]


def test_a_package_that_was_imported_from_a_zip_is_unpacked_to_be_logged(tmp_path):
    with ZipFile(tmp_path / "embtrain.zip", "w") as archive:
        for name in ("embtrain/__init__.py", "embtrain/text/rules.py", "jobs/ending.py"):
            archive.writestr(name, "x = 1\n")
    with registry._on_disk(tmp_path / "embtrain.zip" / "embtrain") as package:
        files = {path.relative_to(package).as_posix() for path in package.rglob("*.py")}
        assert files == {"__init__.py", "text/rules.py"}
    assert not package.exists()

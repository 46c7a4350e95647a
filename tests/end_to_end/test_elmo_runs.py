"""ELMo from a snapshot to the registry: trained on one process or two, killed, loaded, served, exported."""

import os
import signal
import subprocess
import time

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

import embtrain
from corpora import two_topics, with_characters
from embtrain.cli import main
from end_to_end.test_training import TRAIN, TWO_PROCESSES, start

RUN_FILE = """
name: toy
snapshot: snapshot
corpus: {paths: [none.txt], lowercase: true}
model:
  {type: elmo, char_dim: 4, filters: [[1, 8], [2, 8]], projection_dim: 8, cell_dim: 16, batch_size: 4, unroll_steps: 10}
train: {epochs: 3, threads: 1}
"""


def folder_for_runs(folder):
    with_characters(two_topics(folder / "snapshot", sentences=120, rows_per_group=30))
    (folder / "toy.yaml").write_text(RUN_FILE)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a folder in which a model was trained by one process."""
    folder = folder_for_runs(tmp_path_factory.mktemp("trained"))
    uri = f"sqlite:///{folder}/mlflow.db"
    done = subprocess.run(TRAIN, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "models:/toy/1"
    assert "held-out perplexity forward" in done.stderr
    return folder, uri


@pytest.fixture
def here(trained, monkeypatch):
    folder, uri = trained
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    return folder


@pytest.mark.usefixtures("here")
def test_the_perplexities_of_both_directions_are_logged_after_each_epoch():
    client = MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("embtrain").experiment_id])
    for name in ("held_out_perplexity", "held_out_perplexity_forward", "held_out_perplexity_backward"):
        values = [metric.value for metric in client.get_metric_history(run.info.run_id, name)]
        assert len(values) == 3
        assert values[-1] < values[0]
    assert client.get_model_version("toy", "1").tags["held_out_perplexity_forward"]


@pytest.mark.usefixtures("here")
def test_a_registered_model_is_loaded_with_its_vocabulary_and_rules_of_text():
    contextual = embtrain.load("models:/toy@champion")
    assert (contextual.dim, contextual.num_layers) == (16, 3)
    assert len(contextual.vocabulary) == 24
    assert contextual.tokeniser.rules.lowercase
    np.testing.assert_array_equal(contextual.encode_texts(["A1 b2."]), contextual.encode([["a1", "b2"]]))
    assert embtrain.load_words("models:/toy@champion")["a1"].shape == (8,)


@pytest.mark.usefixtures("here")
def test_the_pyfunc_gives_vectors_of_texts_and_of_their_tokens():
    served = mlflow.pyfunc.load_model("models:/toy@champion")
    contextual = embtrain.load("models:/toy@champion")
    texts = pd.DataFrame({"text": ["A1 b2. B3!", "", None]})
    vectors = served.predict(texts)
    np.testing.assert_allclose(vectors, contextual.encode_texts(["a1 b2. b3", "", ""]), atol=1e-6)
    assert not vectors[1:].any()
    assert served.predict({"text": []}).shape == (0, 16)
    answer = served.predict(texts, params={"task": "tokens"})
    assert answer["tokens"].tolist() == [["a1", "b2", "b3"], [], []]
    np.testing.assert_allclose(np.mean(answer["vectors"][0], axis=0), vectors[0], atol=1e-5)
    with pytest.raises(MlflowException, match="there is no task 'nearest'; expected one of text, tokens"):
        served.predict(texts, params={"task": "nearest"})


@pytest.mark.usefixtures("here")
def test_commands_of_word_vectors_ask_words_without_context(capsys):
    assert main(["nearest", "a1", "--model", "models:/toy@champion", "-k", "3"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4


@pytest.mark.usefixtures("here")
def test_a_report_says_what_a_version_was_made_from_and_measured_at(tmp_path):
    assert main(["report", "models:/toy@champion", str(tmp_path / "page.html"), "--word", "a1"]) == 0
    page = (tmp_path / "page.html").read_text()
    for row in ("<th>version</th><td>models:/toy/1</td>", "<th>model.type</th><td>elmo</td>", "<th>a1</th><td>"):
        assert row in page
    assert "<th>held_out_perplexity_forward</th><td>" in page


@pytest.mark.usefixtures("here")
def test_a_model_is_exported_as_published_and_registered_from_there(tmp_path, capsys):
    assert main(["export", "models:/toy@champion", str(tmp_path / "published"), "--format", "elmo"]) == 0
    assert {path.name for path in (tmp_path / "published").iterdir()} >= {"options.json", "weights.hdf5"}
    assert main(["import", str(tmp_path / "published"), "--name", "again"]) == 0
    assert capsys.readouterr().out.endswith("models:/again/1\n")
    sentences = [["a1", "b2"]]
    again, first = (embtrain.load(f"models:/{name}@champion").layers(sentences)[0] for name in ("again", "toy"))
    np.testing.assert_array_equal(again, first)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(folder_for_runs(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return tmp_path


def layers_of(uri):
    return embtrain.load(uri).layers([["a1", "b2"]])[0]


def test_a_killed_run_goes_on_and_ends_with_the_same_weights(trained, elsewhere, monkeypatch):
    often = "train.checkpoint_seconds=0.01"
    with subprocess.Popen([*TRAIN, often], stderr=subprocess.DEVNULL) as killed:
        deadline = time.monotonic() + 200
        while not (elsewhere / "checkpoints" / "toy" / "checkpoint.json").exists():
            assert killed.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(killed.pid, signal.SIGKILL)
    done = start(TRAIN, often)
    assert done.returncode == 0, done.stderr
    assert "going on from checkpoints/toy" in done.stderr
    found = layers_of("models:/toy/1")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", trained[1])
    np.testing.assert_array_equal(found, layers_of("models:/toy/1"))


@pytest.mark.usefixtures("elsewhere")
def test_two_processes_train_as_one_that_reads_twice_as_many_rows():
    same = ["model.dropout=0", "train.epochs=1", "train.final_learning_rate=0.2"]
    for command, options in ((TRAIN, ["name=one"]), (TWO_PROCESSES, ["name=two", "model.batch_size=2"])):
        done = start(command, *same, *options)
        assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(layers_of("models:/two/1"), layers_of("models:/one/1"), atol=1e-5)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["snapshot=without"], "has no table 'characters'; run prepare with model.type elmo"),
        (["model.filters=[[60, 4]]"], "model.filters: a word has 50 characters, found a width of 60"),
        (["model.dim=3"], "'model.dim' is a setting of another model.type than 'elmo'"),
    ],
)
def test_what_cannot_be_trained_ends_in_one_sentence(here, overrides, sentence):
    two_topics(here / "without")
    done = start(TRAIN, *overrides)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr

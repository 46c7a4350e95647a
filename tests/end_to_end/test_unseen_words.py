"""Words never seen: registered, loaded back, served over HTTP and asked about on the command line."""

import json
import socket
import threading

import mlflow
import numpy as np
import pandas as pd
import pytest
import requests
import uvicorn
from mlflow.pyfunc import scoring_server

import embtrain
from embtrain import registry
from embtrain.cli import main
from embtrain.config import TrackSettings
from embtrain.subword_vectors import Subwords, SubwordVectors
from embtrain.tracking import start_run

URI = "models:/fruit@champion"


@pytest.fixture(scope="module")
def vectors():
    """Three words; n-grams point where their words do."""
    words, corners = ["orange", "lemon", "stone"], 3 * np.eye(3, dtype=np.float32)
    subwords = Subwords(min_n=3, max_n=4, buckets=100_000)
    parts = zip(corners, subwords.of(words).to_pylist(), strict=True)
    row_of = {bucket: corner for corner, found in parts for bucket in found}
    buckets = sorted(row_of)
    return SubwordVectors(
        words,
        word_rows=corners,
        bucket_ids=buckets,
        bucket_rows=np.array([row_of[bucket] for bucket in buckets]),
        subwords=subwords,
        counts=[3, 2, 1],
    )


@pytest.fixture(scope="module")
def registered(vectors, tmp_path_factory):
    """The URI of these vectors in an MLflow of their own."""
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        with start_run(TrackSettings(), "fruit") as run:
            registry.register(vectors, run_id=run.run_id, name="fruit", alias="champion")
        yield URI


@pytest.fixture(scope="module")
def served(registered):
    return mlflow.pyfunc.load_model(registered)


def test_a_version_gives_back_words_and_ngrams(registered, vectors):
    found = embtrain.load(registered)
    assert found[["orange", "oranze"]].tobytes() == vectors[["orange", "oranze"]].tobytes()


def test_predict_answers_for_words_never_seen(served, vectors):
    rows = pd.DataFrame({"word": ["oranze", "lemon", "lemonade"]})
    assert served.predict(rows).tolist() == vectors[["oranze", "lemon", "lemonade"]].tolist()
    nearest = served.predict(rows, params={"task": "nearest", "topn": 1})
    assert nearest["words"].tolist()[0] == ["orange"]


def test_predict_refuses_a_word_without_any_known_part_and_can_skip_it(served):
    rows = pd.DataFrame({"word": ["oranze", "xyz", None]})
    with pytest.raises(mlflow.MlflowException, match="none of its n-grams of 3 to 4 characters was seen"):
        served.predict(rows)
    skipped = served.predict(rows, params={"unknown": "skip"})
    assert skipped.any(axis=1).tolist() == [True, False, False]


def test_the_command_line_answers_for_words_never_seen(registered, capsys):
    assert main(["nearest", "oranze", "--model", registered, "-k", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["oranze"][0]["word"] == "orange"
    assert main(["analogy", "oranze", "orange", "lemons", "--model", registered, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["oranze : orange = lemons : ?"][0]["word"] == "lemon"
    assert main(["nearest", "xyz", "--model", registered]) == 2
    assert "'xyz' is not among the 3 words of the vocabulary, and none of its n-grams" in capsys.readouterr().err


@pytest.fixture
def endpoint(served):
    """The address at which MLflow's own server answers, in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(scoring_server.init(served), log_level="error"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/invocations"
        server.should_exit = True
        thread.join()


def test_they_are_served_over_http(endpoint):
    question = {"inputs": {"word": ["oranze"]}, "params": {"task": "nearest", "topn": 1}}
    answer = requests.post(endpoint, json=question, timeout=30).json()
    assert answer["predictions"][0]["words"] == ["orange"]
    refused = requests.post(endpoint, json={"inputs": {"word": ["xyz"]}}, timeout=30)
    assert refused.status_code == 400
    assert "none of its n-grams" in refused.json()["message"]

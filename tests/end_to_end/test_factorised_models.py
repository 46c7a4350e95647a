"""`embtrain train` with PPMI-SVD and LSA: from counts to a registered version, and what cannot be factorised."""

import mlflow
import numpy as np
import pyarrow.parquet as pq
import pytest

import embtrain
from corpora import documented_topics, two_topics
from embtrain.errors import CorpusError
from embtrain.settings import load_settings
from embtrain.workflow import train
from end_to_end.test_training import TRAIN, TWO_PROCESSES, assert_topics_are_apart, only_run, start

RUN_FILE = """
name: toy
snapshot: snapshot
model: {type: ppmi_svd, dim: 4}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Be in a folder with a snapshot of all that is counted, and a run file."""
    documented_topics(tmp_path / "snapshot")
    (tmp_path / "toy.yaml").write_text(RUN_FILE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return tmp_path


@pytest.mark.parametrize("model", ["ppmi_svd", "lsa"])
def test_words_of_a_topic_are_near_each_other(folder, model):
    train(load_settings("toy.yaml", [f"model.type={model}"]))
    assert_topics_are_apart(embtrain.load("models:/toy@champion"))
    client, run = only_run(folder)
    values = [metric.value for metric in client.get_metric_history(run.info.run_id, "singular_value")]
    assert len(values) == 4
    assert values == sorted(values, reverse=True)


def test_the_documents_of_lsa_are_kept_with_the_run(folder):
    train(load_settings("toy.yaml", ["model.type=lsa"]))
    _, run = only_run(folder)
    kept = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="documents.parquet")
    documents = pq.read_table(kept)
    vectors = np.stack(documents["vector"].to_numpy())
    assert documents["beginning"][7].as_py() == "sentence 7"
    same, other = vectors[0] @ vectors[2], vectors[0] @ vectors[1]
    assert same > 0.3 > abs(other), "sentences of the two topics take turns"


def test_a_shift_that_leaves_no_pair_is_refused(folder):
    with pytest.raises(CorpusError, match=r"no pair of words has a PMI above log\(model\.shift=1000\);"):
        train(load_settings("toy.yaml", ["model.shift=1000"]))


def test_vectors_weigh_as_much_as_the_singular_values_are_to_count(folder):
    uris = [train(load_settings("toy.yaml", [f"model.eigenvalue_weight={weight}"])) for weight in (0, 1)]
    plain, weighted = (embtrain.load(uri).matrix for uri in uris)
    lengths = np.linalg.norm(weighted, axis=0) / np.linalg.norm(plain, axis=0)
    client, version = mlflow.MlflowClient(), uris[0].rpartition("/")[2]
    history = client.get_metric_history(client.get_model_version("toy", version).run_id, "singular_value")
    np.testing.assert_allclose(lengths, [metric.value for metric in history], rtol=1e-4)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["model.dim=24"], "model.dim=24 must be below the number of rows and of columns of the matrix"),
        (["model.shift=0"], "model.shift: input should be greater than 0, found 0"),
        (["snapshot=uncounted"], "has no table 'cooccurrence'; put `tables: [cooccurrence]` into the run file"),
        (["snapshot=uncounted", "model.type=lsa"], "has no table 'document_terms'; put `tables: [document_terms]`"),
    ],
)
def test_what_cannot_be_factorised_ends_in_one_sentence(folder, overrides, sentence):
    two_topics(folder / "uncounted")
    done = start(TRAIN, *overrides)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_two_processes_are_refused(folder):
    done = start(TWO_PROCESSES)
    assert done.returncode != 0
    assert "ppmi_svd is computed by one process, found 2; start embtrain train without torchrun" in done.stderr

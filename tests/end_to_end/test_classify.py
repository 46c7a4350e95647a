"""From a table to a served classifier, by the command that a user types and a real MLflow."""

import json
import os
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from mlflow.exceptions import MlflowException

from embtrain import formats
from embtrain.cli import main
from embtrain.config import ElmoArchitecture
from embtrain.contextual_vectors import ContextualVectors
from embtrain.formats import elmo
from embtrain.models.elmo.bilm import BiLM
from embtrain.vectors import Vectors
from jobs import train_classifier

RUN_FILE = """
name: spam
corpus: {{paths: ['{folder}/texts.tsv'], format: tsv, tokenizer: punctuated, lowercase: false}}
classify: {{inputs: ['{folder}/elmo + random', '{folder}/vectors.txt + {folder}/elmo + random'],
           seeds: [1, 2], encoder: mean, dim: 8, epochs: 20, learning_rate: 0.05, patience: 20}}
train: {{threads: 1}}
"""


@pytest.fixture(scope="module")
def conf(tmp_path_factory):
    """Return a run file, of texts that a word gives away, in a folder with an MLflow of its own.

    Each input has an ELMo, so that the registered classifier has one, too.
    """
    folder = tmp_path_factory.mktemp("classify")
    draw = np.random.default_rng(1)
    lines = ["label\ttext"]
    for number in range(120):
        label, own = ("spam", "prize !") if number % 2 else ("ham", "home")
        lines.append(f"{label}\t{draw.choice(list('abcdef'))} {own} {draw.choice(list('abcdef'))}")
    (folder / "texts.tsv").write_text("\n".join(lines) + "\n")
    formats.write(Vectors(["home", "prize"], np.eye(2, 3, dtype=np.float32)), folder / "vectors.txt", "word2vec")
    sizes = ElmoArchitecture(char_dim=3, filters=[(1, 2), (3, 4)], projection_dim=4, cell_dim=6)
    elmo.write(ContextualVectors(BiLM(sizes)), folder / "elmo")
    (folder / "run.yaml").write_text(RUN_FILE.format(folder=folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        yield str(folder / "run.yaml")


@pytest.fixture(scope="module")
def compared(conf):
    """Return the inputs by name, from a job that has trained them."""
    assert train_classifier.main(["--conf", conf]) == 0
    return mlflow.MlflowClient()


def test_each_input_and_seed_is_a_run(compared):
    experiment = compared.get_experiment_by_name("embtrain")
    runs = compared.search_runs([experiment.experiment_id])
    assert sorted((run.data.params["classify.seeds"], run.info.status) for run in runs) == [
        ("1", "FINISHED"), ("1", "FINISHED"), ("2", "FINISHED"), ("2", "FINISHED"),
    ]  # fmt: skip
    assert {run.data.metrics["test_accuracy"] for run in runs} == {1}
    confusion = mlflow.artifacts.load_dict(f"{runs[0].info.artifact_uri}/confusion_matrix.json")
    assert confusion == {"labels": ["ham", "spam"], "matrix": [[12, 0], [0, 12]]}


def test_the_registered_classifier_gives_labels_and_probabilities(compared):
    served = mlflow.pyfunc.load_model("models:/spam@champion")
    found = served.predict(pd.DataFrame({"text": ["a prize ! for you", "going home", None]}))
    assert found["label"].tolist()[:2] == ["spam", "ham"]
    for label, probabilities in zip(found["label"], found["probabilities"], strict=True):
        assert max(probabilities, key=probabilities.get) == label
        assert sum(probabilities.values()) == pytest.approx(1)


def test_a_version_loads_without_spark_a_gpu_or_embtrain_installed(compared, tmp_path):
    program = """
import sys
sys.modules |= dict.fromkeys(["pyspark", "numba", "scipy", "sklearn", "gensim"])
import mlflow
model = mlflow.pyfunc.load_model("models:/spam@champion")
import embtrain
print(embtrain.__file__, model.predict({"text": ["a prize !", "home"]})["label"].tolist())
"""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": ""}
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.stdout.rstrip().endswith("/artifacts/code/embtrain/__init__.py ['spam', 'ham']"), ran.stderr


def test_a_table_without_the_column_is_answered_by_a_sentence(compared):
    served = mlflow.pyfunc.load_model("models:/spam@champion")
    with pytest.raises(MlflowException, match="text"):
        served.predict(pd.DataFrame({"words": ["x"]}))


def test_the_versions_tags_are_what_was_measured(compared):
    [version] = compared.search_model_versions("name='spam'")
    assert version.tags["test_accuracy"] == "1"
    assert "dev_loss" in version.tags


def test_no_text_has_no_label(compared):
    served = mlflow.pyfunc.load_model("models:/spam@champion")
    assert served.predict({"text": []}).empty
    assert len(served.predict({"text": ["", "a prize !"]})) == 2


@pytest.mark.usefixtures("compared")
def test_a_classifier_that_is_asked_for_vectors_says_what_it_is(capsys):
    assert main(["nearest", "prize", "--model", "models:/spam@champion"]) == 2
    sentence = capsys.readouterr().err
    assert "models:/spam/1 has no vectors, but a classifier; load it by mlflow.pyfunc.load_model(" in sentence


def test_a_version_asks_for_packages_that_an_index_has(compared):
    folder = mlflow.artifacts.download_artifacts("models:/spam@champion")
    requirements = (Path(folder) / "requirements.txt").read_text().split()
    assert f"torch=={torch.__version__.partition('+')[0]}" in requirements


@pytest.mark.usefixtures("compared")
def test_the_command_prints_how_inputs_compare(conf, capsys):
    assert main(["classify", "--conf", conf, "classify.inputs=[random]", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["version"] == "models:/spam/2"
    assert found["inputs"]["random"] == {
        "accuracy": 1, "accuracies": [1, 1], "errors": [0, 0], "f1": {"ham": 1, "spam": 1},
    }  # fmt: skip


@pytest.mark.usefixtures("compared")
@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("classify.inputs=[models:/none@champion]", "there is no registered model 'none'; registered are: spam"),
        ("classify.inputs=[none.txt]", "none.txt"),
        ("classify.label_column=class", "has no columns 'class'"),
        ("corpus.format=lines", "expected one of csv, tsv, json, parquet, found 'lines'"),
    ],
)
def test_what_the_user_can_put_right_is_one_sentence(conf, capsys, override, message):
    assert main(["classify", "--conf", conf, override]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert message in error
    assert error.startswith("embtrain: ")

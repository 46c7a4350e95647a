"""From a folder of text to neighbours, by the commands that a user types, in processes of their own."""

import json
import os
import random
import subprocess
import sys

import pytest

from embtrain.checkpoint import Checkpoint, Position
from embtrain.settings import load_settings

pytestmark = pytest.mark.spark

TOPICS = {
    "fruit": ["apple", "pear", "plum", "cherry", "grape", "peach", "lemon", "quince"],
    "tools": ["hammer", "saw", "plane", "chisel", "drill", "wrench", "pliers", "vise"],
}
RUN_FILE = """
name: toy
corpus: {paths: [text], held_out: 0.05}
vocabulary: {min_count: 2}
unigram: {subsample_threshold: 0}
spark: {partitions: 2, driver_memory: 1g}
model: {dim: 16}
train: {epochs: 20}
evaluate: {similarity: [pairs.tsv]}
"""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """Return a folder with text of two topics that never share a sentence, a run file and word pairs."""
    folder = tmp_path_factory.mktemp("workplace")
    draw = random.Random(1)
    lines = [" ".join(draw.choices(words, k=9)).capitalize() + "." for words in TOPICS.values() for _ in range(400)]
    (folder / "text").mkdir()
    (folder / "text" / "all.txt").write_text("\n".join(lines), encoding="utf-8")
    (folder / "run.yaml").write_text(RUN_FILE, encoding="utf-8")
    (folder / "pairs.tsv").write_text("apple\tpear\t9\nsaw\tdrill\t9\napple\tsaw\t1\nplum\tvise\t1\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def embtrain(workplace):
    """Run a command there; return what it did."""
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}

    def run(*arguments, expected=0):
        command = [sys.executable, "-m", "embtrain", *arguments]
        result = subprocess.run(command, cwd=workplace, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == expected, result.stderr
        return result

    return run


@pytest.fixture(scope="module")
def trained(embtrain, workplace):
    """Run it all, as a schedule does whose last run, on other text, was killed."""
    settings = load_settings(workplace / "run.yaml")
    belongs_to = {
        "model": settings.model.model_dump(mode="json"),
        "vocabulary": "another",
        "snapshot": "another",
        "schedule": settings.train.model_dump(include={"epochs", "final_learning_rate", "seed"}),
    }
    Checkpoint(workplace / "checkpoints/toy", belongs_to).save(Position(items=7), {}, {})
    return embtrain("run", "--conf", "run.yaml")


def test_a_run_prints_the_version_and_nothing_else(trained):
    assert trained.stdout == "models:/toy/1\n"


def test_a_run_tells_on_the_way_what_it_did(trained):
    assert "sentences" in trained.stderr
    assert "held-out loss" in trained.stderr
    assert "pairs" in trained.stderr


def test_a_run_leaves_a_snapshot_and_no_checkpoint(trained, workplace):
    assert (workplace / "snapshots/toy/snapshot.json").exists()
    assert not (workplace / "checkpoints/toy").exists()


def test_a_run_discards_the_checkpoint_of_other_text(trained):
    assert "the checkpoint in checkpoints/toy was made with another vocabulary and another snapshot" in trained.stderr


@pytest.mark.usefixtures("trained")
def test_neighbours_are_of_the_same_topic(embtrain):
    answer = embtrain("nearest", "apple", "saw", "--model", "models:/toy@champion", "-k", "5", "--json")
    found = {word: {row["word"] for row in rows} for word, rows in json.loads(answer.stdout).items()}
    assert found["apple"] <= set(TOPICS["fruit"])
    assert found["saw"] <= set(TOPICS["tools"])


@pytest.mark.usefixtures("trained")
def test_word_pairs_of_one_topic_are_more_similar(embtrain):
    answer = embtrain("evaluate", "models:/toy@champion", "--similarity", "pairs.tsv", "--json")
    [pairs] = json.loads(answer.stdout)["similarity"]
    assert pairs["used"] == 4
    # Both pairs of one topic above both others; with ties among the scores, that is the highest there is.
    assert pairs["spearman"] == pytest.approx(0.8**0.5)


@pytest.mark.usefixtures("trained")
def test_exported_vectors_come_back_by_import(embtrain):
    embtrain("export", "models:/toy@champion", "toy.txt", "--format", "word2vec")
    assert embtrain("import", "toy.txt", "--name", "copy").stdout == "models:/copy/1\n"
    copied = embtrain("nearest", "apple", "--model", "models:/copy@champion", "--json").stdout
    assert copied == embtrain("nearest", "apple", "--model", "toy.txt", "--json").stdout


@pytest.mark.usefixtures("trained")
def test_a_model_that_does_not_exist_is_answered_by_those_that_do(embtrain):
    answer = embtrain("nearest", "apple", "--model", "models:/toys@champion", expected=2)
    assert answer.stderr == "embtrain: there is no registered model 'toys'; did you mean 'toy'?\n"


def test_training_without_a_snapshot_says_what_to_do(embtrain):
    answer = embtrain("train", "--conf", "run.yaml", "name=other", expected=2)
    assert answer.stderr.endswith(
        "the snapshot snapshots/other does not exist; run: embtrain prepare --conf RUN.yaml\n"
    )

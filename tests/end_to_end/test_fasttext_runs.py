"""`embtrain train` with FastText: two processes, and what it cannot train on."""

import pytest

import embtrain
from corpora import two_topics, with_subwords
from embtrain.text import TextRules, Tokeniser
from embtrain.versions import origin_of
from end_to_end.test_training import TRAIN, TWO_PROCESSES, assert_topics_are_apart, start

RUN_FILE = """
name: toy
snapshot: snapshot
model: {type: fasttext, dim: 16, window: 3}
train: {epochs: 40, threads: 1}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Be in a folder with a snapshot that has n-grams, and a run file."""
    with_subwords(two_topics(tmp_path / "snapshot", rows_per_group=54))
    (tmp_path / "toy.yaml").write_text(RUN_FILE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return tmp_path


@pytest.mark.parametrize("parallel", ["data", "columns"])
def test_two_processes_train_one_model_that_knows_words_never_seen(folder, parallel):
    done = start(TWO_PROCESSES, f"train.parallel={parallel}")
    assert done.returncode == 0, done.stderr
    vectors = embtrain.load("models:/toy@champion")
    assert_topics_are_apart(vectors)
    assert vectors.most_similar("a1a1", topn=1)[0][0][0] == "a"
    assert "xyz" not in vectors
    assert not (folder / "checkpoints" / "toy").exists()


@pytest.mark.usefixtures("folder")
def test_a_version_keeps_what_its_tables_were_made_with_and_how_its_texts_are_taken_apart():
    done = start(TRAIN, "train.epochs=1", "corpus.paths=[none.txt]", "corpus.lowercase=false")
    assert done.returncode == 0, done.stderr
    logged = origin_of("models:/toy@champion").settings
    assert (logged["subwords.max_n"], logged["subwords.buckets"]) == ("4", "1000")
    assert embtrain.load("models:/toy@champion").tokeniser == Tokeniser(TextRules(lowercase=False))


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["model.objective=softmax"], "'model.objective' is a setting of another model.type than 'fasttext'"),
        (["model.architecture=glove"], "model.architecture"),
        (["subwords.max_n=5"], "was made with subwords.max_n=4, not 5; run embtrain prepare with these settings first"),
        (["snapshot=without"], "has no table 'subwords'; run prepare with model.type fasttext"),
    ],
)
def test_what_cannot_be_trained_ends_in_one_sentence(folder, overrides, sentence):
    two_topics(folder / "without")
    done = start(TRAIN, *overrides)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "checkpoints" / "toy").exists()

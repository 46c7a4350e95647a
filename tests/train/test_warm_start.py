"""Training that starts from other vectors: bit for bit where these have a row, wherever the model computes."""

import numpy as np
import pytest
from pydantic import ValidationError

import embtrain
from column_processes import DIM, MODELS, prepared
from corpora import two_topics, with_subwords
from embtrain import formats
from embtrain.config import Settings
from embtrain.data.sequences import SequenceTable
from embtrain.data.subwords import SubwordTable
from embtrain.data.vocabulary import Vocabulary
from embtrain.distributed import Group
from embtrain.errors import ConfigError
from embtrain.models.build import build_model, columns_for
from embtrain.models.gpu.fasttext import DeviceFastText
from embtrain.models.gpu.word2vec import DeviceWord2Vec
from embtrain.vectors import Vectors
from embtrain.versions import origin_of
from embtrain.warm_start import STARTED_FROM, begin
from embtrain.workflow import register_vectors
from end_to_end.test_training import TWO_PROCESSES, start

WAYS = ["threads", "gpu", "columns of threads", "columns of device"]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    return with_subwords(two_topics(tmp_path_factory.mktemp("corpus") / "snapshot", sentences=120))


@pytest.fixture(scope="module")
def tables(snapshot):
    vocabulary = Vocabulary.read(snapshot)
    return vocabulary, SubwordTable.read(snapshot, len(vocabulary))


def cold(snapshot, tables, name, way="threads", seed=1):
    """Return a model at the usual start of its training, and its columns."""
    vocabulary, subwords = tables
    if way.startswith("columns"):
        training = prepared(snapshot, "checkpoint", name=name, compute=way.removeprefix("columns of "))
        return training.model, columns_for(MODELS[name], Group())
    if way == "threads":
        return build_model(MODELS[name], vocabulary, threads=1, seed=seed, subwords=subwords), None
    if name == "fasttext":
        return DeviceFastText(MODELS[name], vocabulary, subwords, seed=seed, device="cpu"), None
    return DeviceWord2Vec(MODELS[name], vocabulary, seed=seed, device="cpu"), None


def warm(snapshot, tables, name, origin, way="threads"):
    """Return a model that starts from a file, and what its training notes."""
    model, columns = cold(snapshot, tables, name, way)
    settings = Settings(name="toy", model=MODELS[name], train={"start_from": str(origin)})
    notes = begin(model, settings, tables[0], tables[1] if name == "fasttext" else None, group=Group(), columns=columns)
    return model, notes


def block_of(snapshot, tables):
    sequences = SequenceTable(snapshot, len(tables[0]))
    return sequences.read(sequences.row_groups[0])


def train(model, snapshot, tables):
    for _ in model.train(block_of(snapshot, tables), lambda _: 0.1, 0):
        pass


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["sgns", "cbow"])
def test_words_of_the_file_start_where_they_are_there_and_others_as_usual(snapshot, tables, tmp_path, name, way):
    tokens = tables[0].tokens
    before = cold(snapshot, tables, name, way)[0].vectors().copy()
    known = np.random.default_rng(1).standard_normal((3, DIM), np.float32)
    formats.write(Vectors([tokens[5], "elsewhere", tokens[2]], known), tmp_path / "old.parquet", "parquet")
    model, notes = warm(snapshot, tables, name, tmp_path / "old.parquet", way)
    before[[5, 2]] = known[[0, 2]]
    np.testing.assert_array_equal(model.vectors(), before)
    assert notes == {STARTED_FROM: str(tmp_path / "old.parquet")}


@pytest.mark.parametrize("way", WAYS)
def test_fasttext_starts_from_words_ngrams_and_output_rows_at_the_loss_that_it_had(snapshot, tables, tmp_path, way):
    first, _ = cold(snapshot, tables, "fasttext", seed=7)
    train(first, snapshot, tables)
    formats.write(first.subword_vectors(tables[0]), tmp_path / "old", "safetensors")
    second, _ = warm(snapshot, tables, "fasttext", tmp_path / "old", way)
    for name, rows in first.state().items():
        np.testing.assert_array_equal(second.state()[name][:, :DIM], rows[:, :DIM])
    if way == "threads":
        losses = [model.loss(block_of(snapshot, tables), 0).loss for model in (first, second)]
        assert losses[0] == losses[1] < cold(snapshot, tables, "fasttext")[0].loss(block_of(snapshot, tables), 0).loss


def test_an_epoch_from_trained_vectors_ends_at_a_lower_loss_than_one_from_random_ones(snapshot, tables, tmp_path):
    first, _ = cold(snapshot, tables, "sgns", seed=7)
    for _ in range(30):
        train(first, snapshot, tables)
    formats.write(Vectors(tables[0].tokens, first.vectors()), tmp_path / "old", "safetensors")
    models = warm(snapshot, tables, "sgns", tmp_path / "old")[0], cold(snapshot, tables, "sgns")[0]
    for model in models:
        train(model, snapshot, tables)
    warm_loss, cold_loss = (model.loss(block_of(snapshot, tables), 0).loss for model in models)
    assert warm_loss < cold_loss


def test_fasttexts_own_rows_of_words_start_from_vectors_without_ngrams(snapshot, tables, tmp_path):
    known = np.ones((1, DIM), np.float32)
    formats.write(Vectors([tables[0].tokens[3]], known), tmp_path / "old", "safetensors")
    rows = cold(snapshot, tables, "fasttext")[0].state()["input"].copy()
    rows[3, :DIM] = known
    np.testing.assert_array_equal(warm(snapshot, tables, "fasttext", tmp_path / "old")[0].state()["input"], rows)


@pytest.mark.parametrize(
    ("word", "dim", "message"),
    [
        ("a0", 5, r"old has vectors of 5 numbers, but model.dim is 40; set model.dim=5, or start from other vectors"),
        ("elsewhere", DIM, r"old has none of the 24 words of the snapshot"),
    ],
)
def test_vectors_that_are_not_for_the_model_are_refused(snapshot, tables, tmp_path, word, dim, message):
    formats.write(Vectors([word], np.ones((1, dim))), tmp_path / "old", "safetensors")
    with pytest.raises(ConfigError, match=message):
        warm(snapshot, tables, "sgns", tmp_path / "old")


def test_ngrams_that_are_made_otherwise_are_refused(snapshot, tables, tmp_path):
    vocabulary, _ = tables
    other = with_subwords(two_topics(tmp_path / "other", sentences=120), max_n=5)
    model = build_model(
        MODELS["fasttext"], vocabulary, threads=1, seed=1, subwords=SubwordTable.read(other, len(vocabulary))
    )
    formats.write(model.subword_vectors(vocabulary), tmp_path / "old", "safetensors")
    with pytest.raises(ConfigError, match=r"old has n-grams by .*max_n=5.*, the snapshot by .*max_n=4.*; prepare"):
        warm(snapshot, tables, "fasttext", tmp_path / "old")


@pytest.mark.parametrize("model", [{"type": "glove"}, {"objective": "softmax"}, {"type": "lsa"}])
def test_models_that_cannot_start_elsewhere_refuse_to(model):
    with pytest.raises(ValidationError, match=r"train\.start_from is for model\.type fasttext, and for sgns and cbow"):
        Settings(name="toy", model=model, train={"start_from": "models:/toy@champion"})


@pytest.fixture(scope="module")
def registered(tmp_path_factory):
    """Give a folder with a snapshot, a run file, and random vectors of its words as version 1 of ``toy``."""
    folder = tmp_path_factory.mktemp("registered")
    vocabulary = Vocabulary.read(two_topics(folder / "snapshot", rows_per_group=54))
    # Rates at which no float32 moves.
    rates = "model: {dim: 16, learning_rate: 1.0e-30}, train: {epochs: 1, final_learning_rate: 0}"
    (folder / "toy.yaml").write_text(f"{{name: toy, snapshot: snapshot, {rates}}}")
    vectors = Vectors(vocabulary.tokens, np.random.default_rng(1).standard_normal((24, 16), np.float32))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        register_vectors(vectors, name="toy", source="chance")
        yield vectors


@pytest.mark.parametrize("parallel", ["data", "columns"])
def test_two_processes_start_from_a_version_that_the_new_one_names(registered, parallel):
    done = start(TWO_PROCESSES, "train.start_from=models:/toy@champion", f"train.parallel={parallel}")
    assert done.returncode == 0, done.stderr
    assert "24 of 24 words begin where they are in models:/toy/" in done.stderr
    np.testing.assert_array_equal(embtrain.load("models:/toy@champion").matrix, registered.matrix)
    assert origin_of("models:/toy@champion").tags["started_from"] in {"models:/toy/1", "models:/toy/2"}

"""Vectors split among processes by column: what one process makes, in whatever number; and what is refused."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from pydantic import ValidationError
from safetensors.numpy import load_file

from column_processes import COMPUTES, DIM, MODELS, prepared, train
from corpora import counted_topics, with_subwords
from embtrain import formats
from embtrain.checkpoint import Checkpoint, Position
from embtrain.columns import Columns
from embtrain.config import Settings
from embtrain.data import tiles
from embtrain.data.subwords import SubwordTable
from embtrain.data.vocabulary import Vocabulary
from embtrain.distributed import Group
from embtrain.errors import CheckpointError, ConfigError, SetupError
from embtrain.models.build import build_model
from embtrain.models.columns import batch_windows
from embtrain.models.threads import in_order
from embtrain.vectors import Vectors

WORKER = Path(__file__).parents[1] / "column_processes.py"


class PowerCutError(Exception):
    """The power goes out."""


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus") / "snapshot"
    return with_subwords(counted_topics(folder, sentences=120, rows_per_group=20))


def with_whole_rows(snapshot, name, *, seed):
    """Return a model that holds whole vectors."""
    vocabulary = Vocabulary.read(snapshot)
    subwords = SubwordTable.read(snapshot, len(vocabulary))
    return build_model(MODELS[name], vocabulary, threads=1, seed=seed, subwords=subwords)


@pytest.fixture(scope="module", params=[2, 3])
def trained_by_several(request, snapshot, tmp_path_factory):
    """Give the folder that processes of torchrun have left."""
    folder = tmp_path_factory.mktemp(f"by-{request.param}")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(request.param)]
    done = subprocess.run(
        [*command, str(WORKER), snapshot.location.path, str(folder)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def trained_by_one(snapshot, tmp_path_factory):
    folder = tmp_path_factory.mktemp("by-one")
    return {
        (name, compute): train(snapshot, folder, name=name, compute=compute)
        for name, compute in product(MODELS, COMPUTES)
    }


@pytest.mark.parametrize("compute", COMPUTES)
@pytest.mark.parametrize("name", MODELS)
def test_several_processes_make_the_vectors_of_one(trained_by_several, trained_by_one, name, compute):
    vectors, losses = trained_by_one[name, compute]
    found = np.load(trained_by_several / f"{name} by {compute}.npz")
    np.testing.assert_allclose(found["vectors"], vectors, atol=1e-5)
    np.testing.assert_allclose(found["losses"], losses, rtol=1e-5)
    assert np.abs(vectors).max() > 1.2 / DIM, "they are not where they began"


@pytest.mark.parametrize("name", ["sgns", "fasttext", "glove"])
def test_a_checkpoint_of_several_processes_goes_on_in_one_that_holds_whole_vectors(trained_by_several, snapshot, name):
    folder, model = trained_by_several / f"{name} by threads", with_whole_rows(snapshot, name, seed=2)
    belongs_to = {"model": MODELS[name].model_dump()}
    saved = Checkpoint(folder, belongs_to).load({n: a.shape for n, a in model.state().items()})
    model.load_state(saved.state)
    np.testing.assert_array_equal(model.vectors(), np.load(f"{folder}.npz")["vectors"])
    assert saved.position.epoch == 2


@pytest.mark.parametrize("name", ["sgns", "fasttext", "glove"])
def test_a_checkpoint_of_several_processes_goes_on_by_columns(trained_by_several, snapshot, name):
    folder = trained_by_several / f"{name} by threads"
    training = prepared(snapshot, folder, name=name)
    saved = training.checkpoint.load({matrix: rows.shape for matrix, rows in training.model.state().items()})
    training.model.load_state(saved.state)
    np.testing.assert_array_equal(training.model.vectors(), np.load(f"{folder}.npz")["vectors"])


@pytest.mark.parametrize("name", ["sgns", "fasttext", "glove"])
@pytest.mark.parametrize("compute", COMPUTES)
def test_a_checkpoint_is_the_file_that_whole_vectors_would_make(snapshot, tmp_path, name, compute):
    training = prepared(snapshot, tmp_path / "columns", name=name, compute=compute)
    state = training.model.state()
    training.checkpoint.save(Position(), state, {})
    found = load_file(tmp_path / "columns" / "state-0.safetensors")
    for matrix, rows in with_whole_rows(snapshot, name, seed=1).state().items():
        np.testing.assert_array_equal(found[matrix], rows)


def test_words_never_seen_have_the_vectors_that_whole_rows_give_them(snapshot, tmp_path):
    vocabulary, training = Vocabulary.read(snapshot), prepared(snapshot, tmp_path / "columns", name="fasttext")
    training.run(Position())
    model = with_whole_rows(snapshot, "fasttext", seed=1)
    for rows, own in zip(model.state().values(), training.model.state().values(), strict=True):
        rows[:, :DIM] = own
    found, expected = (of.subword_vectors(vocabulary) for of in (training.model, model))
    np.testing.assert_array_equal(found["a1a1"], expected["a1a1"])
    np.testing.assert_array_equal(found.output_rows, expected.output_rows)


def test_what_was_trained_by_columns_is_written_as_a_model_of_facebooks_program(snapshot, tmp_path):
    training = prepared(snapshot, tmp_path / "columns", name="fasttext cbow")
    vectors = training.model.subword_vectors(Vocabulary.read(snapshot))
    formats.write(vectors, tmp_path / "toy.bin", "fasttext")
    found = formats.read(tmp_path / "toy.bin")
    np.testing.assert_allclose(found["a1a1"], vectors["a1a1"], atol=1e-6)
    np.testing.assert_array_equal(found.output_rows, vectors.output_rows)


def test_a_save_that_finds_no_room_leaves_the_one_before_at_the_same_position(snapshot, tmp_path, file_sizes):
    training = prepared(snapshot, tmp_path / "c")
    state = training.model.state()
    training.checkpoint.save(Position(0, 6, 100), state, {})
    with file_sizes(at_most=1000), pytest.raises(CheckpointError, match="cannot write a checkpoint"):
        training.checkpoint.save(Position(1, 0, 100), state, {})
    saved = training.checkpoint.load({name: rows.shape for name, rows in state.items()})
    assert saved.position == Position(0, 6, 100)
    np.testing.assert_array_equal(saved.state["input"], state["input"])


def test_vectors_that_find_no_room_are_told_with_what_to_do(file_sizes):
    columns = Columns.of(8, Group())
    own = np.arange(24, dtype=np.float32).reshape(3, 8)
    np.testing.assert_array_equal(columns.whole(own), own)
    with file_sizes(at_most=50), pytest.raises(SetupError, match=r"cannot gather 3 vectors in a file in .*set TMPDIR"):
        columns.whole(own)


@pytest.mark.parametrize(("name", "pieces"), [("sgns", 5), ("fasttext", 5), ("glove", 7)])
def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(snapshot, tmp_path, monkeypatch, name, pieces):
    def die(report):
        if report.position.pieces > pieces:
            raise PowerCutError

    monkeypatch.setattr(tiles, "PIECE_CELLS", 100)
    whole = prepared(snapshot, tmp_path / "whole", name=name)
    whole.run(Position())
    dying = prepared(snapshot, tmp_path / "c", name=name, observe=die, checkpoint_seconds=1e-9)
    with pytest.raises(PowerCutError):
        dying.run(Position())
    resumed = prepared(snapshot, tmp_path / "c", name=name)
    saved = resumed.checkpoint.load({matrix: rows.shape for matrix, rows in resumed.model.state().items()})
    resumed.model.load_state(saved.state)
    assert saved.position.pieces == pieces
    resumed.run(saved.position)
    np.testing.assert_array_equal(resumed.model.vectors(), whole.model.vectors())


@pytest.mark.parametrize("name", MODELS)
def test_more_threads_make_the_vectors_of_one(snapshot, tmp_path, trained_by_one, name):
    training = prepared(snapshot, tmp_path / "c", name=name, threads=8)
    training.run(Position())
    np.testing.assert_allclose(training.model.vectors(), trained_by_one[name, "threads"][0], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "compute"),
    [*product(MODELS, ["threads"]), *product(["sgns", "cbow", "fasttext", "glove"], ["device"])],
)
def test_every_words_nearest_neighbour_is_of_its_own_topic(tmp_path, name, compute):
    snapshot = with_subwords(counted_topics(tmp_path / "snapshot"))
    training = prepared(snapshot, tmp_path / "c", name=name, compute=compute, epochs=40)
    training.run(Position())
    vocabulary = Vocabulary.read(snapshot)
    vectors = Vectors(vocabulary.tokens, training.model.vectors())
    for word in vocabulary.tokens:
        assert vectors.most_similar(word, topn=1)[0][0][0] == word[0]


@pytest.mark.parametrize("processes", [1, 2, 3, DIM])
def test_starting_vectors_are_those_of_whole_vectors(snapshot, processes):
    vocabulary, model = Vocabulary.read(snapshot), MODELS["sgns"]
    whole = build_model(model, vocabulary, threads=1, seed=5).state()["input"][:, :DIM]
    parts = [
        build_model(model, vocabulary, threads=1, seed=5, columns=Columns.of(DIM, Group(rank, processes)))
        for rank in range(processes)
    ]
    np.testing.assert_array_equal(np.hstack([part.state()["input"] for part in parts]), whole)


def test_columns_are_shared_out_evenly_and_each_once():
    shares = [Columns.of(10, Group(rank, 4)) for rank in range(4)]
    assert [(share.first, share.last) for share in shares] == [(0, 2), (2, 5), (5, 7), (7, 10)]


def test_more_processes_than_columns_are_refused():
    with pytest.raises(SetupError, match=r"41 processes cannot share the 40 columns that model\.dim makes"):
        Columns.of(40, Group(0, 41))


def test_batches_grow_with_the_vocabulary_up_to_a_bound():
    windows = partial(batch_windows, MODELS["sgns"])
    assert windows(1) == windows(100) == 16
    assert windows(10_000) < windows(20_000)
    assert windows(10**6) == windows(10**8)


def test_no_thread_is_at_a_span_any_more_once_its_reader_stops():
    finished, second_has_begun = [], Event()

    def work(span):
        if span == (1, 2):
            second_has_begun.set()
            time.sleep(0.2)
        finished.append(span)
        return span

    with ThreadPoolExecutor(1) as thread:
        spans = in_order(thread, work, [(0, 1), (1, 2), (2, 3)], ahead=True)
        assert next(spans) == (0, 1)
        second_has_begun.wait()
        spans.close()
        assert finished == [(0, 1), (1, 2)]


def test_a_training_that_diverges_says_so(snapshot, tmp_path):
    training = prepared(snapshot, tmp_path / "c")
    training.model.state()["input"][:] = np.nan
    with pytest.raises(ConfigError, match="has diverged"):
        training.run(Position())


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ({"type": "elmo"}, "columns is for model.type sgns, cbow, fasttext and glove, found elmo"),
        ({"type": "ppmi_svd"}, "found ppmi_svd"),
        ({"type": "cbow", "objective": "softmax"}, "found softmax"),
        ({"type": "sgns", "objective": "hierarchical_softmax"}, "found hierarchical_softmax"),
    ],
)
def test_other_models_are_refused(model, sentence):
    with pytest.raises(ValidationError, match=sentence):
        Settings(name="toy", model=model, train={"parallel": "columns"})
    assert Settings(name="toy", model=model).train.parallel == "data"

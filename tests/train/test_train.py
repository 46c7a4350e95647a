"""The training loop: what it learns, that it can be repeated and resumed, and what it refuses."""

import math
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpora import two_topics, with_subwords, write_snapshot
from embtrain.checkpoint import Checkpoint, Position
from embtrain.config import CbowSettings, FastTextSettings, SgnsSettings, TrainSettings
from embtrain.data.sequences import Block, SequenceTable
from embtrain.data.subwords import SubwordTable
from embtrain.data.vocabulary import Vocabulary
from embtrain.distributed import Group
from embtrain.errors import CheckpointError, ConfigError, CorpusError, SetupError, SnapshotError
from embtrain.models.build import build_model
from embtrain.models.threads import cut_into_spans
from embtrain.schema import HELD_OUT
from embtrain.train import Training
from embtrain.vectors import Vectors

MODELS = {
    "sgns": SgnsSettings(dim=20, window=3),
    "cbow": CbowSettings(dim=20, window=3),
    "cbow as word2vec": CbowSettings(dim=20, window=3, gradient="word2vec"),
    "skipgram on paths": SgnsSettings(type="skipgram", dim=20, window=3, objective="hierarchical_softmax"),
    "cbow on paths": CbowSettings(dim=20, window=3, objective="hierarchical_softmax"),
    "skipgram against all": SgnsSettings(type="skipgram", dim=20, window=3, objective="softmax"),
    "cbow against all": CbowSettings(dim=20, window=3, objective="softmax"),
    "fasttext": FastTextSettings(dim=20, window=3),
    "fasttext cbow": FastTextSettings(dim=20, window=3, architecture="cbow"),
}

CHANCE = {
    # Five negatives and the center: six times ln 2, less the negatives that were the center.
    "negative_sampling": (5.4 * math.log(2), 6 * math.log(2)),
    # Of 24 words that are about equally frequent, a path has four nodes or five: ln 2 for each.
    "hierarchical_softmax": (4 * math.log(2), 5 * math.log(2)),
    # Each word has the same probability, exactly.
    "softmax": (math.log(24) - 1e-6, math.log(24) + 1e-6),
}
"""Between what the loss per prediction is before the training."""

LEARNS_IN = {"negative_sampling": 60, "hierarchical_softmax": 60, "softmax": 16}
"""Epochs after which the two topics are apart, with a good margin."""


def objective_of(name):
    return getattr(MODELS[name], "objective", "negative_sampling")


class PowerCutError(Exception):
    """The power goes out."""


def prepared(snapshot, checkpoint, *, model=MODELS["sgns"], observe=None, threads=1, group=None, **options):
    """Return a training that is ready to run, and its vocabulary."""
    vocabulary = Vocabulary.read(snapshot)
    sequences = SequenceTable(snapshot, len(vocabulary))
    held_out = SequenceTable(snapshot, len(vocabulary), HELD_OUT)
    settings = TrainSettings(**{"epochs": 3, "threads": threads, **options})
    subwords = SubwordTable.read(snapshot, len(vocabulary)) if model.type == "fasttext" else None
    built = build_model(model, vocabulary, threads=threads, seed=settings.seed, subwords=subwords)
    group = group or Group()
    training = Training(
        model=built,
        source=sequences,
        held_out=held_out.read(held_out.row_groups[0]) if held_out.size else None,
        settings=settings,
        learning_rate=model.learning_rate,
        group=group,
        checkpoint=Checkpoint(checkpoint, {"model": model.model_dump()}),
        observe=observe or (lambda _: None),
        advance=lambda _: None,
    )
    return training, vocabulary


def load(training):
    """Bring the model to its checkpoint; return what was saved."""
    shapes = {name: array.shape for name, array in training.model.state().items()}
    saved = training.checkpoint.load(shapes)
    training.model.load_state(saved.state)
    return saved


@pytest.fixture
def snapshot(tmp_path):
    return with_subwords(two_topics(tmp_path / "snapshot"))


@pytest.mark.parametrize("name", MODELS)
def test_every_words_nearest_neighbour_is_of_its_own_topic(snapshot, tmp_path, name):
    epochs = LEARNS_IN[objective_of(name)]
    training, vocabulary = prepared(snapshot, tmp_path / "checkpoint", model=MODELS[name], epochs=epochs, threads=2)
    training.run(Position())
    vectors = Vectors(vocabulary.tokens, training.model.vectors())
    for word in vocabulary.tokens:
        assert vectors.most_similar(word, topn=1)[0][0][0] == word[0]


@pytest.mark.parametrize("name", MODELS)
def test_training_and_held_out_loss_fall_from_where_chance_puts_them(snapshot, tmp_path, name):
    reports, epochs = [], LEARNS_IN[objective_of(name)] // 2
    training, _ = prepared(snapshot, tmp_path / "c", model=MODELS[name], observe=reports.append, epochs=epochs)
    chance = training.model.loss(training.held_out, seed=0).loss_per_pair
    training.run(Position())
    least, most = CHANCE[objective_of(name)]
    assert least < chance <= most
    held_out = [report.held_out.loss_per_pair for report in reports if report.held_out]
    trained = [report.tally.loss_per_pair for report in reports if not report.held_out]
    assert len(held_out) == epochs
    assert held_out[-1] < held_out[0] < chance
    assert trained[-1] < trained[0]


def test_every_row_group_is_trained_on_once_an_epoch(snapshot, tmp_path):
    reports = []
    training, _ = prepared(snapshot, tmp_path / "c", observe=reports.append, epochs=2)
    end = training.run(Position())
    rounds = [report for report in reports if not report.held_out]
    assert [report.position.pieces for report in rounds] == 2 * [1, 2, 3, 4, 5, 6, 7, 8]
    assert sum(report.tally.items for report in rounds) == end.items == 2 * training.source.size


def test_epochs_take_the_row_groups_in_different_orders(snapshot):
    table = SequenceTable(snapshot, 24)
    first, second = table.order(epoch=0, seed=1), table.order(epoch=1, seed=1)
    assert first != second
    assert sorted(map(str, first)) == sorted(map(str, second)) == sorted(map(str, table.row_groups))
    assert first == table.order(epoch=0, seed=1)


def test_the_learning_rate_falls_linearly_and_never_below_its_end(snapshot, tmp_path):
    training, _ = prepared(snapshot, tmp_path / "c", epochs=2, final_learning_rate=0.005)
    total = 2 * training.source.size
    assert training.rate_at(0) == 0.025
    assert training.rate_at(total // 2) == pytest.approx(0.015)
    assert training.rate_at(total) == pytest.approx(0.005)
    assert training.rate_at(2 * total) == 0.005


@pytest.mark.parametrize("name", MODELS)
def test_the_same_seed_gives_the_same_vectors(snapshot, tmp_path, name):
    vectors = []
    for _ in range(2):
        training, _ = prepared(snapshot, tmp_path / "c", model=MODELS[name])
        training.run(Position())
        vectors.append(training.model.vectors())
    np.testing.assert_array_equal(*vectors)
    other, _ = prepared(snapshot, tmp_path / "c", model=MODELS[name], seed=2)
    other.run(Position())
    assert not np.array_equal(vectors[0], other.model.vectors())


@pytest.mark.parametrize("dies_after", [1, 5, 8, 11])
def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(snapshot, tmp_path, dies_after):
    whole, _ = prepared(snapshot, tmp_path / "whole")
    whole.run(Position())
    rounds = []

    def die(report):
        rounds.append(report)
        if len(rounds) == dies_after + 1:
            raise PowerCutError

    dying, _ = prepared(snapshot, tmp_path / "c", observe=die, checkpoint_seconds=1e-9)
    with pytest.raises(PowerCutError):
        dying.run(Position())
    resumed, _ = prepared(snapshot, tmp_path / "c")
    position, *_ = load(resumed)
    assert position.items > 0
    resumed.run(position)
    np.testing.assert_array_equal(resumed.model.vectors(), whole.model.vectors())


def test_a_run_that_dies_while_saving_leaves_the_checkpoint_before(snapshot, tmp_path, monkeypatch):
    training, _ = prepared(snapshot, tmp_path / "c")
    training.checkpoint.save(Position(0, 1, 100), training.model.state(), {})
    before = training.model.state()["input"].copy()
    training.model.state()["input"][:] = 7

    def die(*_arguments):
        raise PowerCutError

    monkeypatch.setattr("pathlib.Path.replace", die)
    with pytest.raises(PowerCutError):
        training.checkpoint.save(Position(0, 2, 200), training.model.state(), {})
    position, *_ = load(training)
    assert position == Position(0, 1, 100)
    np.testing.assert_array_equal(training.model.state()["input"], before)


def test_a_save_that_finds_no_room_leaves_the_one_before_at_the_same_position(snapshot, tmp_path, file_sizes):
    training, _ = prepared(snapshot, tmp_path / "c")
    training.checkpoint.save(Position(0, 8, 100), training.model.state(), {})
    before = training.model.state()["input"].copy()
    with file_sizes(at_most=before.nbytes), pytest.raises(CheckpointError, match="cannot write a checkpoint"):
        training.checkpoint.save(Position(1, 0, 100), training.model.state(), {})
    assert load(training).position == Position(0, 8, 100)
    np.testing.assert_array_equal(training.model.state()["input"], before)


def test_a_finished_training_that_is_started_again_saves_nothing(snapshot, tmp_path, file_sizes):
    training, _ = prepared(snapshot, tmp_path / "c")
    end = training.run(Position())
    with file_sizes(at_most=0):
        assert training.run(end) == end


def test_a_checkpoint_of_another_model_is_refused(snapshot, tmp_path):
    training, _ = prepared(snapshot, tmp_path / "c")
    training.checkpoint.save(Position(), training.model.state(), {})
    other, _ = prepared(snapshot, tmp_path / "c", model=SgnsSettings(dim=21, window=3))
    with pytest.raises(
        CheckpointError,
        match=r"made with another model \(dim 20, now 21\); set train.stale",
    ):
        load(other)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"{}"])
def test_a_damaged_record_is_refused(snapshot, tmp_path, damage):
    training, _ = prepared(snapshot, tmp_path / "c")
    training.checkpoint.save(Position(), training.model.state(), {})
    (tmp_path / "c" / "checkpoint.json").write_bytes(damage)
    with pytest.raises(CheckpointError, match="damaged"):
        load(training)


def test_a_state_cut_short_is_refused(snapshot, tmp_path):
    training, _ = prepared(snapshot, tmp_path / "c")
    training.checkpoint.save(Position(), training.model.state(), {})
    (state,) = (tmp_path / "c").glob("*.safetensors")
    state.write_bytes(state.read_bytes()[:-8])
    with pytest.raises(CheckpointError, match="cannot read"):
        load(training)


def test_a_folder_that_cannot_be_written_is_said(snapshot, tmp_path):
    (tmp_path / "file").write_text("in the way")
    training, _ = prepared(snapshot, tmp_path / "file" / "c")
    with pytest.raises(CheckpointError, match="Not a directory"):
        training.checkpoint.save(Position(), training.model.state(), {})


def test_more_processes_than_row_groups_are_refused(snapshot, tmp_path):
    with pytest.raises(SetupError, match="9 processes cannot share 8 row groups"):
        prepared(snapshot, tmp_path / "c", group=Group(0, 9))


def test_a_corpus_without_a_sequence_is_refused(tmp_path):
    snapshot = write_snapshot(tmp_path / "empty", [], ["a", "b"])
    with pytest.raises(CorpusError, match="no sequence"):
        prepared(snapshot, tmp_path / "c")


def test_ids_that_the_vocabulary_has_not_are_refused(snapshot):
    table = SequenceTable(snapshot, 5)
    with pytest.raises(SnapshotError, match="ids 0 to 23, but the vocabulary has 5 tokens"):
        table.read(table.row_groups[0])


def test_three_threads_read_at_the_same_time_what_one_reads_in_the_same_order(snapshot, monkeypatch):
    table = SequenceTable(snapshot, 24)
    expected = [block.ids.tolist() for block in table.blocks(table.row_groups[:3])]
    together, read = threading.Barrier(3, timeout=20), table.read
    monkeypatch.setattr(table, "read", lambda group: (together.wait(), read(group))[1])
    table.read_ahead(3)
    assert [block.ids.tolist() for block in table.blocks(table.row_groups[:3])] == expected


def test_a_row_group_that_is_cut_short_is_named(snapshot):
    table = SequenceTable(snapshot, 24)
    path = Path(snapshot.location.path, snapshot.tables["sequences"], "part-0.parquet")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SnapshotError, match="cannot read row group"):
        table.read(table.row_groups[-1])


def test_blocks_are_the_rows_of_the_table(tmp_path):
    sequences = [[0, 1, 2], [2], [1, 0]]
    snapshot = write_snapshot(tmp_path / "s", [np.array(s) for s in sequences], ["a", "b", "c"], rows_per_group=2)
    table = SequenceTable(snapshot, 3)
    blocks = list(table.blocks(table.row_groups))
    assert [block.ids.tolist() for block in blocks] == [[0, 1, 2, 2], [1, 0]]
    assert [block.offsets.tolist() for block in blocks] == [[0, 3, 4], [0, 2]]
    assert [block.longest for block in blocks] == [3, 2]
    assert [group.size for group in table.row_groups] == [4, 2]


def test_a_vocabulary_whose_ids_have_a_gap_is_refused(snapshot):
    path = f"{snapshot.location.path}/vocabulary-toy/part-0.parquet"
    rows = pq.read_table(path)
    gap = pa.array([*range(23), 99], pa.int32())
    pq.write_table(rows.set_column(0, "id", gap), path)
    manifest = snapshot.location / "vocabulary-toy" / "_manifest.json"
    record = manifest.read_json()
    record["parts"][0]["bytes"] = Path(path).stat().st_size
    manifest.write_json(record)
    with pytest.raises(SnapshotError, match="ids must be 0, 1, 2"):
        Vocabulary.read(snapshot)


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_a_block_is_cut_between_sequences_into_parts_of_about_the_same_size(snapshot, parts):
    table = SequenceTable(snapshot, 24)
    block = table.read(table.row_groups[0])
    cut = table.cut(block, parts)
    assert len(cut) == parts
    np.testing.assert_array_equal(np.concatenate([part.ids for part in cut]), block.ids)
    lengths = np.concatenate([np.diff(part.offsets) for part in cut])
    np.testing.assert_array_equal(lengths, np.diff(block.offsets))
    assert all(abs(part.ids.size - block.ids.size / parts) <= block.longest for part in cut)


def test_a_sequence_longer_than_a_part_is_not_cut():
    block = Block(np.zeros(9, np.int32), np.array([0, 8, 9]))
    assert [part.ids.size for part in SequenceTable.cut(block, 3)] == [8, 0, 1]


@pytest.mark.parametrize("merge_words", [1, 300, 10**9])
def test_all_processes_merge_equally_often_even_where_some_have_no_text(snapshot, tmp_path, merge_words):
    calls = {rank: [] for rank in range(3)}
    for rank, made in calls.items():
        training, _ = prepared(snapshot, tmp_path / str(rank), group=Group(rank, 3), epochs=2)
        training.merge_words = merge_words
        training.merge = lambda items, *, settle, made=made: made.append((*items, settle))
        training.run(Position())
    assert calls[0] == calls[1] == calls[2]
    words = np.array(calls[0])[:, :3].sum(axis=0)
    assert words.sum() == pytest.approx(2 * training.source.size), "eight row groups for three processes"
    assert any(0 in items for *items, settle in calls[0] if not settle)
    between = [max(items) for *items, settle in calls[0] if not settle]
    largest = max(group.size for group in training.source.row_groups)
    assert max(between) <= min(largest, max(1.5 * merge_words, 1))


@pytest.mark.parametrize("lengths", [[], [5], [1, 1, 1], [50, 3, 0, 0, 9]])
def test_spans_cover_every_sequence_once_and_in_order(lengths):
    offsets = np.cumsum([0, *lengths]).astype(np.int64)
    spans = cut_into_spans(offsets, 4)
    assert [i for first, last in spans for i in range(first, last)] == list(range(len(lengths)))


def test_spans_are_about_as_long_as_each_other():
    offsets = np.arange(0, 1051, 10)
    lengths = [offsets[last] - offsets[first] for first, last in cut_into_spans(offsets, 250)]
    assert lengths == [270, 260, 260, 260]


def test_a_diverged_training_says_so(snapshot, tmp_path):
    training, _ = prepared(snapshot, tmp_path / "c")
    training.model.state()["input"][:] = np.nan
    with pytest.raises(ConfigError, match=r"has diverged; lower model.learning_rate, which is 0.025"):
        training.run(Position())


def test_a_finished_checkpoint_leaves_what_is_not_its_own(snapshot, tmp_path):
    training, _ = prepared(snapshot, tmp_path)
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / "state-of-the-art.safetensors").write_text("of somebody else")
    with training.checkpoint.held():
        training.checkpoint.save(Position(0, 1, 2), training.model.state(), {})
        training.checkpoint.save(Position(0, 2, 3), training.model.state(), {})
        training.checkpoint.remove()
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"thesis.txt", "state-of-the-art.safetensors", "snapshot", "checkpoint.lock"}


def test_a_checkpoint_of_a_run_that_is_going_on_is_refused(snapshot, tmp_path):
    training, _ = prepared(snapshot, tmp_path / "c")
    with (
        training.checkpoint.held(),
        pytest.raises(CheckpointError, match="another run is using the checkpoints"),
        training.checkpoint.held(),
    ):
        pass
    assert not (tmp_path / "c").exists()

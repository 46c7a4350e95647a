"""Training GloVe from a table of co-occurrences: what it learns, that it can be repeated and resumed."""

import numpy as np
import pytest

from corpora import counted_topics, stripes_of, with_cooccurrence, write_snapshot
from embtrain.checkpoint import Checkpoint, Position
from embtrain.config import GloveSettings, TrainSettings
from embtrain.data import tiles
from embtrain.data.strata import Strata
from embtrain.data.vocabulary import Vocabulary
from embtrain.distributed import Group
from embtrain.errors import ConfigError
from embtrain.models.build import build_model
from embtrain.train import Training
from embtrain.vectors import Vectors

RATE = 0.05


class PowerCutError(Exception):
    """The power goes out."""


@pytest.fixture
def snapshot(tmp_path, monkeypatch):
    """Give two topics, in tiles, segments and pieces so small that there are many."""
    monkeypatch.setattr(tiles, "SIDE_BITS", 2)
    monkeypatch.setattr(tiles, "SEGMENT_CELLS", 6)
    monkeypatch.setattr(tiles, "PIECE_CELLS", 40)
    return counted_topics(tmp_path / "snapshot")


def prepared(snapshot, folder, *, observe=lambda _: None, threads=1, rate=RATE, epochs=5, seed=1, **model):
    vocabulary = Vocabulary.read(snapshot)
    settings = GloveSettings(learning_rate=rate, **{"dim": 10, **model})
    built = build_model(settings, vocabulary, threads=threads, seed=seed)
    source = tiles.TiledCells(snapshot, len(vocabulary), folder, seed=seed, group=Group())
    training = Training(
        model=built,
        source=source,
        held_out=None,
        settings=TrainSettings(epochs=epochs, seed=seed, final_learning_rate=rate, checkpoint_seconds=1e-9),
        learning_rate=rate,
        group=Group(),
        checkpoint=Checkpoint(folder, {}),
        observe=observe,
        advance=lambda _: None,
    )
    return training, vocabulary


def costs(reports):
    """Return the curve: the cost per cell of each epoch."""
    return [report.epoch.loss_per_pair for report in reports if report.epoch]


@pytest.mark.parametrize("threads", [1, 2])
def test_every_words_nearest_neighbour_is_of_its_own_topic(snapshot, tmp_path, threads):
    training, vocabulary = prepared(snapshot, tmp_path / "c", epochs=60, threads=threads)
    training.run(Position())
    vectors = Vectors(vocabulary.tokens, training.model.vectors())
    for word in vocabulary.tokens:
        assert vectors.most_similar(word, topn=1)[0][0][0] == word[0]


def test_the_cost_falls_and_is_counted_per_cell(snapshot, tmp_path):
    reports = []
    training, _ = prepared(snapshot, tmp_path / "c", observe=reports.append, epochs=30)
    end = training.run(Position())
    curve = costs(reports)
    assert len(curve) == 30
    assert curve[-1] < 0.1 * curve[0]
    assert {report.epoch.pairs for report in reports if report.epoch} == {training.source.size}
    assert end.items == 30 * training.source.size


def test_a_table_of_rank_one_is_learnt_whole(tmp_path):
    factor = np.exp(np.linspace(-1, 2, 12))
    matrix = np.outer(factor, factor)
    snapshot = write_snapshot(tmp_path / "s", [np.array([i, i]) for i in range(12)], [f"w{i}" for i in range(12)])
    training, _ = prepared(with_cooccurrence(snapshot, stripes_of(matrix)), tmp_path / "c", epochs=400, dim=2)
    reports = []
    training.observe = reports.append
    training.run(Position())
    assert costs(reports)[-1] < 1e-3 * costs(reports)[0]
    words, contexts = training.model.word_rows[:, :4], training.model.context_rows[:, :4]
    ids = Strata(12, 8).ids
    np.testing.assert_allclose(words @ contexts.T, np.log(matrix)[np.ix_(ids, ids)], atol=0.3)


def test_the_same_seed_gives_the_same_vectors(snapshot, tmp_path):
    vectors = []
    for seed in (1, 1, 2):
        training, _ = prepared(snapshot, tmp_path / "c", seed=seed)
        training.run(Position())
        vectors.append(training.model.vectors())
    np.testing.assert_array_equal(vectors[0], vectors[1])
    assert not np.array_equal(vectors[0], vectors[2])


@pytest.mark.parametrize("dies_after", [1, 7, 8, 9, 20])
def test_a_resumed_run_has_the_cost_curve_of_an_uninterrupted_one(snapshot, tmp_path, dies_after):
    expected = []
    whole, _ = prepared(snapshot, tmp_path / "whole", observe=expected.append)
    whole.run(Position())
    found = []

    def die(report):
        if len(found) == dies_after:
            raise PowerCutError
        found.append(report)

    dying, _ = prepared(snapshot, tmp_path / "c", observe=die)
    with pytest.raises(PowerCutError):
        dying.run(Position())
    resumed, _ = prepared(snapshot, tmp_path / "c", observe=found.append)
    saved = resumed.checkpoint.load({name: rows.shape for name, rows in resumed.model.state().items()})
    resumed.model.load_state(saved.state)
    resumed.run(saved.position)
    of_epoch = {report.position.epoch: report.epoch.loss_per_pair for report in found if report.epoch}
    assert list(of_epoch.values()) == costs(expected)
    for name, rows in whole.model.state().items():
        np.testing.assert_array_equal(resumed.model.state()[name], rows)


def test_a_training_that_diverges_names_the_cell(snapshot, tmp_path):
    training, _ = prepared(snapshot, tmp_path / "c")
    training.model.word_rows[3, :10] = 3e38
    with pytest.raises(ConfigError, match=r"the cell \('\w+', '\w+'\) of weight \d+ would make a NaN"):
        training.run(Position())

"""ELMo in the training loop: what it learns, that it can be repeated and resumed, and shared out."""

import copy
import math

import numpy as np
import pytest

from corpora import two_topics, with_characters, write_snapshot
from embtrain.checkpoint import Checkpoint, Position
from embtrain.config import ElmoSettings, Settings
from embtrain.data.corpus import Corpus
from embtrain.data.vocabulary import Vocabulary
from embtrain.distributed import Group
from embtrain.errors import CorpusError
from embtrain.models.build import build_model
from embtrain.train import Training
from embtrain.workflow import _checkpoint

TINY = {
    "type": "elmo",
    "char_dim": 4,
    "filters": [[1, 8], [2, 8]],
    "projection_dim": 8,
    "cell_dim": 16,
    "batch_size": 4,
    "unroll_steps": 10,
}


class PowerCutError(Exception):
    """The power goes out."""


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    folder = tmp_path_factory.mktemp("elmo")
    return with_characters(two_topics(folder / "snapshot", sentences=120, rows_per_group=30))


def prepared(snapshot, checkpoint, *, observe=None, group=None, train=(), **model):
    settings = Settings.model_validate(
        {"name": "toy", "model": {**TINY, **model}, "train": {"epochs": 2, "threads": 1, **dict(train)}}
    )
    vocabulary, group = Vocabulary.read(snapshot), group or Group()
    corpus = Corpus.open(settings, snapshot, len(vocabulary), group)
    built = build_model(
        settings.model, vocabulary, threads=1, seed=1, device="cpu", characters=corpus.characters, group=group
    )
    return Training(
        model=built,
        source=corpus.source,
        held_out=corpus.held_out,
        settings=settings.train,
        learning_rate=settings.model.learning_rate,
        group=group,
        checkpoint=Checkpoint(checkpoint, {}),
        observe=observe or (lambda _: None),
        advance=lambda _: None,
    )


def assert_same(state, other):
    assert state.keys() == other.keys()
    for name, array in state.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


def test_perplexity_falls_from_the_number_of_words_to_that_of_a_topic_both_ways(snapshot, tmp_path):
    reports = []
    training = prepared(snapshot, tmp_path, observe=reports.append, train={"epochs": 8})
    start = training.model.loss(training.held_out, seed=0)
    assert start.measures["perplexity"] == pytest.approx(26, rel=0.15), "24 words and two marks"
    training.run(Position())
    held_out = [report.held_out for report in reports if report.epoch]
    assert len(held_out) == 8
    for way in ("perplexity_forward", "perplexity_backward"):
        assert 10 < held_out[-1].measures[way] < 18, "12 words of a topic are equally likely, and sentences end"
    last = held_out[-1]
    assert last.measures["perplexity"] == pytest.approx(math.exp(last.loss_per_pair))
    assert last.loss_per_pair == pytest.approx((last.forward + last.backward) / 2)


def test_each_word_is_trained_on_once_an_epoch_in_both_directions(snapshot, tmp_path):
    training, tallies = prepared(snapshot, tmp_path), []
    training.advance = tallies.append
    end = training.run(Position())
    sentences = 114  # of 120, six are held out
    assert sum(tally.items for tally in tallies) == end.items == 2 * training.source.size
    assert sum(tally.pairs for tally in tallies) == 2 * 2 * (training.source.size + sentences)


@pytest.mark.parametrize("model", [{}, {"num_samples": 5}, {"share_softmax": False, "precision": "bfloat16"}])
def test_the_same_seed_gives_the_same_weights(snapshot, tmp_path, model):
    states = []
    for seed in (1, 1, 2):
        training = prepared(snapshot, tmp_path, train={"epochs": 1, "seed": seed}, **model)
        training.run(Position())
        states.append(copy.deepcopy(training.model.state()))
    assert_same(*states[:2])
    assert not np.array_equal(states[0]["softmax.bias"], states[2]["softmax.bias"])


@pytest.mark.parametrize("dies_after", [1, 5])
def test_an_interrupted_run_ends_with_the_same_weights_sums_and_carried_states(snapshot, tmp_path, dies_after):
    whole = prepared(snapshot, tmp_path / "whole", num_samples=5)
    whole.run(Position())
    reports = []

    def die(report):
        reports.append(report)
        if len(reports) == dies_after + 1:
            raise PowerCutError

    dying = prepared(snapshot, tmp_path / "c", num_samples=5, observe=die, train={"checkpoint_seconds": 1e-9})
    with pytest.raises(PowerCutError):
        dying.run(Position())
    resumed = prepared(snapshot, tmp_path / "c", num_samples=5)
    saved = resumed.checkpoint.load({name: array.shape for name, array in resumed.model.state().items()})
    assert saved.position.items > 0
    resumed.model.load_state(saved.state)
    resumed.run(saved.position)
    assert_same(resumed.model.state(), whole.model.state())


def test_rows_are_shared_out_so_that_processes_do_the_same_steps(snapshot, tmp_path):
    alone = prepared(snapshot, tmp_path, batch_size=4).source
    pair = [prepared(snapshot, tmp_path, batch_size=2, group=Group(rank, 2)).source for rank in range(2)]
    order = alone.order(epoch=0, seed=1)
    assert pair[0].order(epoch=0, seed=1) == order
    rounds = pair[0].rounds(order, 2)
    assert [round_.num_pieces for round_ in rounds] == [1] * len(order)
    assert sum(share.size for round_ in rounds for share in round_.shares) == alone.size
    (whole,) = alone.blocks(alone.rounds(order, 1)[0].shares)
    halves = [next(iter(source.blocks(rounds[0].shares[rank:]))) for rank, source in enumerate(pair)]
    np.testing.assert_array_equal(whole.inputs, halves[0].inputs)
    assert [half.own for half in halves] == [slice(0, 2), slice(2, 4)]


@pytest.mark.parametrize("rows", [2, 8])
def test_what_the_lstms_remember_is_kept_for_as_many_rows_as_there_are(snapshot, tmp_path, rows):
    before, now = (prepared(snapshot, tmp_path, batch_size=size).model for size in (4, rows))
    before.load_state({name: np.ones_like(array) for name, array in before.state().items()})
    now.load_state(before.state())
    state = now.state()
    kept = min(rows, 4)
    for name in (name for name in state if name.startswith("carried.")):
        assert (state[name][:, :kept] == 1).all()
        assert not state[name][:, kept:].any()
    assert all((array == 1).all() for name, array in state.items() if not name.startswith("carried."))


def test_a_checkpoint_belongs_to_all_sizes_but_to_no_number_of_processes(snapshot):
    settings = Settings.model_validate({"name": "toy", "model": TINY})
    of_one, of_two = (_checkpoint(settings, snapshot, Group(0, size), None).belongs_to for size in (1, 2))
    assert of_one == of_two
    assert of_one["model"]["filters"] == [[1, 8], [2, 8]], "as JSON gives them back"


def test_dropout_is_for_training_alone(snapshot, tmp_path):
    training = prepared(snapshot, tmp_path, dropout=0.9)
    losses = {training.model.loss(training.held_out, seed=seed).loss for seed in range(2)}
    assert len(losses) == 1


def test_half_precision_keeps_the_weights_in_float32(snapshot, tmp_path):
    training = prepared(snapshot, tmp_path, precision="bfloat16")
    training.run(Position())
    assert {array.dtype for array in training.model.state().values()} == {np.dtype(np.float32)}


def test_text_without_a_sequence_is_refused(tmp_path):
    empty = with_characters(write_snapshot(tmp_path / "empty", [], ["a", "b"]))
    with pytest.raises(CorpusError, match="no sequence"):
        prepared(empty, tmp_path / "c")


def test_defaults_train_on_a_cpu_and_published_sizes_are_within_bounds():
    published = ElmoSettings(
        filters=[(1, 32), (2, 32), (3, 64), (4, 128), (5, 256), (6, 512), (7, 1024)],
        highways=2,
        projection_dim=512,
        cell_dim=4096,
        num_samples=8192,
        batch_size=128,
    )
    assert published.num_filters == 2048
    assert ElmoSettings().num_filters == 256

"""ELMo in the training loop: what it learns, that it can be repeated and resumed, and shared out."""

import copy
import itertools
import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from benchmarks.plain_elmo import PlainBiLM
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

NEEDS_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU")


class PowerCutError(Exception):
    """The power goes out."""


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    folder = tmp_path_factory.mktemp("elmo")
    return with_characters(two_topics(folder / "snapshot", sentences=120, rows_per_group=30))


def prepared(snapshot, checkpoint, *, observe=None, group=None, device="cpu", train=(), **model):
    settings = Settings.model_validate(
        {"name": "toy", "model": {**TINY, **model}, "train": {"epochs": 2, "threads": 1, **dict(train)}}
    )
    vocabulary, group = Vocabulary.read(snapshot), group or Group()
    corpus = Corpus.open(settings, snapshot, len(vocabulary), group)
    built = build_model(
        settings.model, vocabulary, threads=1, seed=1, device=device, characters=corpus.characters, group=group
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


def first_block(source):
    """Return the first row group of an epoch."""
    (block,) = source.blocks(source.rounds(source.order(epoch=0, seed=1), 1)[0].shares)
    return block


def assert_same(state, other):
    assert state.keys() == other.keys()
    for name, array in state.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, NEEDS_GPU])])
def test_perplexity_falls_from_the_number_of_words_to_that_of_a_topic_both_ways(snapshot, tmp_path, device):
    reports = []
    training = prepared(snapshot, tmp_path, observe=reports.append, device=device, train={"epochs": 8})
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


@pytest.mark.gpu
@NEEDS_GPU
def test_a_gpu_is_not_waited_for_between_steps(snapshot, tmp_path):
    training = prepared(snapshot, tmp_path, device="cuda", num_samples=5)
    block = first_block(training.source)
    random = torch.Generator("cuda").manual_seed(1)
    training.model._step(block, 0, 0.2, random)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for first in (10, 20, 30):
            training.model._step(block, first, 0.2, random)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_each_word_is_trained_on_once_an_epoch_in_both_directions(snapshot, tmp_path):
    training, tallies = prepared(snapshot, tmp_path), []
    training.advance = tallies.append
    end = training.run(Position())
    sentences = 114  # of 120, six are held out
    assert sum(tally.items for tally in tallies) == end.items == 2 * training.source.size
    assert sum(tally.pairs for tally in tallies) == 2 * 2 * (training.source.size + sentences)


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_steps_are_those_of_torch_s_modules_with_all_words_scored(snapshot, tmp_path):
    training = prepared(snapshot, tmp_path, dropout=0, cell_clip=None, projection_clip=None, max_gradient_norm=2)
    block = first_block(training.source)
    twin = PlainBiLM(training.model._settings, training.model._characters.long())
    twin.load_state_dict(in_the_layout_of_torch(training.model))
    learned = [weight for name, weight in twin.named_parameters() if "bias_hh" not in name]
    adagrad = torch.optim.Adagrad(learned, lr=0.2, initial_accumulator_value=1)
    states, norms = [None] * 4, []
    for first in range(0, block.steps, 10):
        inputs, targets = (torch.from_numpy(ids[:, first : first + 10]).long() for ids in (block.inputs, block.targets))
        scores, states = twin(inputs, states)
        loss = functional.cross_entropy(scores.flatten(0, 2), targets.flatten(), ignore_index=-1, reduction="sum")
        adagrad.zero_grad()
        (loss / (2 * 4)).backward()
        norms.append(torch.nn.utils.clip_grad_norm_(learned, 2))
        adagrad.step()
    assert len(norms) > 5
    assert min(norms) < 2 < max(norms), "some gradients are shortened, and some are not"
    before = in_the_layout_of_torch(training.model)["softmax.bias"]
    assert list(training.model.train(block, lambda _: 0.2, 1))
    found, expected = in_the_layout_of_torch(training.model), twin.state_dict()
    assert not torch.allclose(found["softmax.bias"], before, atol=1e-2)
    for name, weight in found.items():
        torch.testing.assert_close(weight, expected[name], rtol=0, atol=1e-5, msg=name)


def in_the_layout_of_torch(model):
    """Return copies of a model's weights, named and laid out as those of the plain one."""
    encoder, softmax = model.bilm.characters, model._softmax
    found = {
        "characters": model._characters.long(),
        "embedding.weight": encoder.embedding.weight,
        "projection.weight": encoder.projection.weight,
        "projection.bias": encoder.projection.bias,
        "softmax.weight": softmax.weight[0],
        "softmax.bias": softmax.bias[0],
    }
    for number, convolution in enumerate(encoder.convolutions):
        found |= {f"convolutions.{number}.{name}": weight for name, weight in convolution.named_parameters()}
    for number, highway in enumerate(encoder.highways):
        for name in ("weight", "bias"):
            both = [getattr(linear, name) for linear in (highway.transform, highway.carry)]
            found[f"highways.{number}.{name}"] = torch.cat(both)
    for direction, (depth, lstm) in itertools.product(range(2), enumerate(model.bilm.lstms)):
        own = {
            "weight_ih": in_the_order_of_torch(lstm.input_weight[direction]),
            "weight_hh": in_the_order_of_torch(lstm.state_weight[direction]),
            "weight_hr": lstm.projection[direction].mT,
            "bias_ih": in_the_order_of_torch(lstm.bias[direction] + lstm._forget_bias),
            "bias_hh": torch.zeros_like(lstm.bias[direction]),  # it has two where one is enough
        }
        found |= {f"lstms.{direction}.{depth}.{name}_l0": weight for name, weight in own.items()}
    return {name: weight.detach().clone() for name, weight in found.items()}


def in_the_order_of_torch(weight):
    """Lay out a weight ``(…, 4 C)`` of the gates input, candidate, forget, output as ``(4 C, …)`` of torch's order."""
    input_gate, candidate, forget_gate, output_gate = weight.chunk(4, dim=-1)
    laid_out = torch.cat([input_gate, forget_gate, candidate, output_gate], dim=-1)
    return laid_out.mT if laid_out.dim() == 2 else laid_out


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
    whole = first_block(alone)
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

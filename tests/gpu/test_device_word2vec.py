"""Models that train on a GPU: that they learn, what they share with those of the CPU, and the device they choose."""

import logging
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from embtrain.config import CbowSettings, FastTextSettings, SgnsSettings
from embtrain.data.sequences import Block, RowGroup, SequenceTable
from embtrain.data.vocabulary import Vocabulary
from embtrain.errors import ConfigError, SetupError
from embtrain.models import devices
from embtrain.models.build import build_model, device_for, on_device
from embtrain.models.gpu import flight, tiled
from embtrain.models.gpu.blocks import DeviceBlock, ResidentBlocks
from embtrain.models.gpu.flight import SAFE_CHANGE, row_loads
from embtrain.models.gpu.word2vec import DeviceWord2Vec
from embtrain.models.hogwild import occurrence
from embtrain.models.protocol import Tally
from embtrain.models.word2vec import Word2Vec

MODELS = {
    "sgns": SgnsSettings(dim=8, window=2, learning_rate=0.1),
    "cbow": CbowSettings(dim=8, window=2, learning_rate=0.2),
    "cbow as word2vec": CbowSettings(dim=8, window=2, gradient="word2vec", learning_rate=0.1),
}


def vocabulary_of(size):
    return Vocabulary([f"w{i}" for i in range(size)], np.full(size, 9), np.ones(size), np.full(size, 1 / size))


def two_topics():
    """Return sentences of 8 tokens, each of one half of 12 words."""
    random = np.random.default_rng(1)
    sentences = [random.integers(0, 6, 8) + 6 * (i % 2) for i in range(40)]
    return Block(np.concatenate(sentences).astype(np.int32), np.arange(0, 321, 8, dtype=np.int64))


def total(tallies):
    return sum(tallies, Tally())


@pytest.mark.parametrize("name", MODELS)
def test_two_topics_come_apart(name, device):
    model = DeviceWord2Vec(MODELS[name], vocabulary_of(12), seed=1, device=device)
    before = model.loss(two_topics(), seed=0)
    assert 5 * math.log(2) < before.loss_per_pair < 6 * math.log(2)
    block, rate = model.upload(two_topics()), MODELS[name].learning_rate
    epochs = [total(model.train(block, lambda _: rate, epoch)) for epoch in range(3)]
    assert epochs[0].items == 320
    assert epochs[-1].loss_per_pair < 0.85 * before.loss_per_pair
    vectors = model.vectors()
    cosines = (vectors @ vectors.T) / np.outer(*2 * [np.linalg.norm(vectors, axis=1)])
    np.fill_diagonal(cosines, -1)
    assert (cosines.argmax(axis=1) // 6 == np.arange(12) // 6).all()


@pytest.mark.parametrize("name", MODELS)
def test_the_cpu_goes_on_from_the_state_of_a_gpu_and_back(name, device):
    ours = DeviceWord2Vec(MODELS[name], vocabulary_of(12), seed=1, device=device)
    theirs = Word2Vec(MODELS[name], vocabulary_of(12), threads=1, seed=1)
    np.testing.assert_array_equal(ours.state()["input"], theirs.state()["input"])
    list(ours.train(ours.upload(two_topics()), lambda _: 0.1, 1))
    theirs.load_state(ours.state())
    np.testing.assert_array_equal(theirs.vectors(), ours.vectors())
    list(theirs.train(two_topics(), lambda _: 0.1, 2))
    ours.load_state(theirs.state())
    for side, matrix in theirs.state().items():
        np.testing.assert_array_equal(ours.state()[side], matrix)


@pytest.mark.parametrize("name", MODELS)
def test_the_loss_of_a_block_is_about_the_cpus(name, device):
    ours = DeviceWord2Vec(MODELS[name], vocabulary_of(12), seed=1, device=device)
    theirs = Word2Vec(MODELS[name], vocabulary_of(12), threads=1, seed=1)
    list(theirs.train(two_topics(), lambda _: 0.05, 1))
    ours.load_state(theirs.state())
    losses = [model.loss(two_topics(), seed=0).loss_per_pair for model in (ours, theirs)]
    assert losses[0] == pytest.approx(losses[1], rel=0.04)


@pytest.mark.gpu
@pytest.mark.parametrize("name", MODELS)
def test_sixty_six_programs_learn_as_well_as_one(name, monkeypatch):
    losses = [losses_of_zipf_text(MODELS[name], monkeypatch, num_programs) for num_programs in (66, 1)]
    assert losses[1][-1] < losses[1][0]
    assert losses[0][-1] == pytest.approx(losses[1][-1], rel=0.03)


def losses_of_zipf_text(settings, monkeypatch, num_programs, *, device="cuda", size=66 * 1024, num_tokens=1_000_000):
    """Return the loss per pair of three epochs on sentences whose words are of one half of a vocabulary."""
    shares = 1 / (np.arange(size) + 3)
    shares /= shares.sum()
    random = np.random.default_rng(1)
    ids = random.choice(size // 2, num_tokens, p=shares[::2] / shares[::2].sum()) * 2
    ids += np.repeat(random.integers(0, 2, num_tokens // 20), 20)
    keep = np.minimum(1, np.sqrt(1e-4 / shares) + 1e-4 / shares)
    negatives = shares**0.75 / (shares**0.75).sum()
    vocabulary = Vocabulary([""] * size, (shares * 1e9).astype(np.int64), keep, negatives)
    monkeypatch.setattr(tiled, "programs_in_flight", lambda *_: num_programs)
    model = DeviceWord2Vec(settings, vocabulary, seed=1, device=device)
    block = model.upload(Block(ids.astype(np.int32), np.arange(0, num_tokens + 1, 20)))
    return [total(model.train(block, lambda _: 0.05, epoch)).loss_per_pair for epoch in range(3)]


def test_the_learning_rate_follows_the_position(device, monkeypatch):
    monkeypatch.setattr(tiled, "SPAN_TOKENS", 100)
    model, asked = DeviceWord2Vec(MODELS["sgns"], vocabulary_of(12), seed=1, device=device), []
    tallies = list(model.train(model.upload(two_topics()), lambda items: asked.append(items) or 0.1, 1))
    assert asked == [0, 100, 200, 300]
    assert [tally.items for tally in tallies] == [100, 100, 100, 20, 0]


@pytest.mark.parametrize("offsets", [[0], [0, 0]])
def test_an_empty_block_is_nothing(offsets, device):
    model = DeviceWord2Vec(MODELS["sgns"], vocabulary_of(12), seed=1, device=device)
    empty = Block(np.empty(0, np.int32), np.array(offsets, np.int64))
    assert total(model.train(model.upload(empty), lambda _: 0.1, 1)) == Tally()
    assert model.loss(empty, 1) == Tally()


def test_the_load_of_a_row_is_how_many_tiles_in_flight_change_it():
    vocabulary = Vocabulary(["a", "b"], np.array([3, 1]), np.array([0.5, 0.5]), np.array([0.6, 0.4]))
    of_words = occurrence(vocabulary)
    loads = row_loads(vocabulary, window=5, word_occurrence=of_words, row_occurrence=of_words, num_programs=10)
    np.testing.assert_allclose(loads.input * SAFE_CHANGE, 1 + 10 * 26 * np.array([0.75, 0.25]), rtol=1e-6)
    targets = 16 * np.array([0.75, 0.25]) + 32 * np.array([0.6, 0.4])
    np.testing.assert_allclose(loads.output * SAFE_CHANGE, 1 + 10 * targets, rtol=1e-6)


@pytest.mark.parametrize(("vocab_size", "programs", "warps"), [(67_890, 66, 8), (136_000, 132, 8), (10**7, 264, 4)])
def test_a_program_has_more_warps_where_it_has_a_multiprocessor_to_itself(monkeypatch, vocab_size, programs, warps):
    monkeypatch.setattr(flight, "multiprocessors", lambda _: 132)  # of an H100
    gpu = torch.device("cuda")
    assert flight.programs_in_flight(vocab_size, gpu) == programs
    assert flight.warps_of_program(programs, gpu) == warps


# --- blocks that stay ------------------------------------------------------------------------------------------------


class Counted:
    """A source of blocks of ten tokens that remembers what was read."""

    unit, size = "words", 30

    def __init__(self):
        self.read = []

    def check(self, world_size):
        pass

    def order(self, **_):
        return [RowGroup("part-0", i, 10) for i in range(3)]

    def blocks(self, pieces):
        for piece in pieces:
            self.read.append(piece.index)
            yield Block(np.full(10, piece.index, np.int32), np.array([0, 10], np.int64))


@pytest.mark.parametrize(("budget", "read_again"), [(10_000, []), (60, [1, 2]), (0, [0, 1, 2])])
def test_blocks_are_read_again_only_where_there_was_no_room(budget, read_again, device):
    source = Counted()
    resident = ResidentBlocks(source, lambda block: DeviceBlock.of(block, torch.device(device)), budget)
    order = resident.order(epoch=0, seed=1)
    assert [int(block.ids[0]) for block in resident.blocks(order)] == [0, 1, 2]
    source.read.clear()
    assert [int(block.ids[0]) for block in resident.blocks(order[::-1])] == [2, 1, 0]
    assert sorted(source.read) == read_again
    assert (resident.size, resident.unit) == (30, "words")


def test_a_model_of_the_cpu_reads_its_source_as_it_is():
    source = Counted()
    assert on_device(source, build_model(SgnsSettings(), vocabulary_of(3), threads=1, seed=1, device="cpu")) is source


def test_a_model_of_a_gpu_gets_blocks_that_are_there(device):
    model = DeviceWord2Vec(MODELS["sgns"], vocabulary_of(12), seed=1, device=device)
    source = on_device(Counted(), model)
    (block,) = source.blocks(source.order(epoch=0, seed=1)[:1])
    assert block.ids.device.type == model.device.type  # cuda:0 is not equal to cuda


@examples(max_examples=40, deadline=None)
@given(lengths=st.lists(st.integers(0, 9), min_size=1), parts=st.integers(1, 7))
def test_a_block_of_the_device_is_cut_where_one_of_the_cpu_is(lengths, parts):
    offsets = np.cumsum([0, *lengths])
    block = Block(np.arange(offsets[-1], dtype=np.int32), offsets)
    there = DeviceBlock.of(block, torch.device("cpu")).cut(parts)
    for mine, its in zip(SequenceTable.cut(block, parts), there, strict=True):
        np.testing.assert_array_equal(its.ids, mine.ids)
        np.testing.assert_array_equal(its.offsets, mine.offsets)


# --- which device ----------------------------------------------------------------------------------------------------


WITHOUT_KERNEL = {
    "model.objective hierarchical_softmax": SgnsSettings(objective="hierarchical_softmax"),
    "a model.window above 56": SgnsSettings(window=57),
}


@pytest.mark.parametrize("what", WITHOUT_KERNEL)
def test_a_gpu_is_refused_to_what_has_no_kernel_for_it(what):
    with pytest.raises(ConfigError, match=f"train.device is cuda, but {what} has no kernel for GPUs; set it to auto"):
        device_for(WITHOUT_KERNEL[what], "cuda")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_said():
    with pytest.raises(SetupError, match=r"train.device is cuda, but torch finds no GPU"):
        device_for(SgnsSettings(), "cuda")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_columns_take_a_gpu_without_triton(monkeypatch):
    monkeypatch.setattr(devices, "find_spec", lambda name: name != "triton")
    with pytest.raises(SetupError, match=r"train.device is cuda, but torch finds no GPU"):
        device_for(SgnsSettings(), "cuda", by_columns=True)


def test_fasttext_by_columns_stays_on_the_cpu_unless_a_gpu_is_asked_for(monkeypatch, caplog):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    with caplog.at_level(logging.INFO, "embtrain"):
        chosen = [device_for(FastTextSettings(), wanted, by_columns=True) for wanted in ("auto", "cuda")]
    assert chosen == ["cpu", "cuda"]
    assert "training on the CPU: by columns FastText's batches are too small for a GPU" in caplog.messages[0]
    assert device_for(SgnsSettings(), "auto", by_columns=True) == "cuda"


def test_a_package_that_is_not_there_is_said(monkeypatch):
    monkeypatch.setattr(devices, "find_spec", lambda name: name != "triton")
    with pytest.raises(SetupError, match=r"the package triton, which it takes, is not installed \(pip install"):
        devices.choose_device("cuda", None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize(
    ("wanted", "without_kernel", "reason"),
    [
        ("auto", None, "torch finds no GPU"),
        ("auto", "a model.window above 56", "a model.window above 56 has no kernel for GPUs"),
        ("cpu", None, "train.device is cpu"),
    ],
)
def test_the_log_says_which_device_and_why(wanted, without_kernel, reason, caplog):
    with caplog.at_level(logging.INFO, "embtrain"):
        assert devices.choose_device(wanted, without_kernel) == "cpu"
    assert caplog.messages == [f"training on the CPU: {reason}"]


@pytest.mark.gpu
@pytest.mark.parametrize("name", MODELS)
def test_auto_takes_the_gpu(name):
    chosen = device_for(MODELS[name], "auto")
    assert isinstance(build_model(MODELS[name], vocabulary_of(12), threads=1, seed=1, device=chosen), DeviceWord2Vec)

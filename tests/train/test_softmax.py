"""The full softmax against a plain float64 computation of the same equations, torch's gradients, and closed forms."""

import logging
import math
import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch

import reference
import reference_objectives
from embtrain.config import CbowSettings, ElmoSettings, SgnsSettings
from embtrain.data.sequences import Block
from embtrain.data.vocabulary import Vocabulary
from embtrain.distributed import Group
from embtrain.errors import ConfigError, SetupError
from embtrain.models.build import build_model, device_for
from embtrain.models.hogwild import span_seed
from embtrain.models.softmax import MAX_VOCABULARY, Predictions, descend, of_cbow, of_skipgram, windows_per_step

MODELS = {"skipgram": SgnsSettings, "cbow": CbowSettings}
TOY = ["you", "say", "goodbye", "and", "i", "say", "hello", "."]


def real_text():
    """Return some hundred words of English that come with Python."""
    topics = pytest.importorskip("pydoc_data.topics").topics
    return re.findall(r"[a-z]+", (topics["if"] + topics["while"] + topics["for"]).lower())


def encoded(words, *, keep=1.0):
    """Return the vocabulary of a text, and the text as one sequence."""
    counts = Counter(words)
    tokens = sorted(counts, key=lambda token: (-counts[token], token))
    of_each = np.array([counts[token] for token in tokens])
    vocabulary = Vocabulary(tokens, of_each, np.full(len(tokens), keep), of_each / of_each.sum())
    ids = np.array([tokens.index(word) for word in words], np.int32)
    return vocabulary, Block(ids, np.array([0, len(ids)], np.int64))


def curves(name, words, *, epochs, rate, keep=1.0, **shape):
    """Train the model and its twin alike; return the losses per prediction, epoch by epoch, and both in the end."""
    vocabulary, block = encoded(words, keep=keep)
    settings = MODELS[name](objective="softmax", learning_rate=rate, **shape)
    model = build_model(settings, vocabulary, threads=1, seed=3, device="cpu")
    slow = {key: array.astype(np.float64) for key, array in model.state().items()}
    threshold = [int(min(keep * 2**32, 2**32 - 1))] * len(vocabulary)
    fast_curve, slow_curve = [], []
    for epoch in range(epochs):
        fast_curve.append(sum_of(model.train(block, lambda _: rate, epoch)))
        seed = int(span_seed(epoch, 0))
        drawn = reference.windows(
            block.ids, block.offsets, threshold, [], settings.window, settings.dynamic_window, 0, seed
        )
        predictions, loss = reference_objectives.train_softmax(
            slow["input"], slow["output"], drawn, rate, model=name, windows_per_step=windows_per_step(len(vocabulary))
        )
        slow_curve.append(loss / predictions)
    return fast_curve, slow_curve, model, slow


def sum_of(tallies):
    (tally,) = tallies
    return tally.loss_per_pair


@pytest.mark.parametrize("name", MODELS)
def test_on_the_toy_sentence_the_curve_is_that_of_the_plain_computation(name):
    fast, slow, model, matrices = curves(name, TOY, epochs=300, rate=0.05, dim=5, window=1)
    assert fast == pytest.approx(slow, abs=1e-5)
    np.testing.assert_allclose(model.vectors(), matrices["input"], atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_on_real_text_the_curve_is_that_of_the_plain_computation(name):
    words = real_text()[:600]
    fast, slow, *_ = curves(name, words, epochs=3, rate=0.05, keep=0.8, dim=16, window=3)
    assert fast == pytest.approx(slow, abs=1e-5)
    assert fast[-1] < fast[0]


def test_the_loss_reaches_the_entropy_of_a_word_given_its_neighbour():
    fast, *_ = curves("skipgram", TOY, epochs=600, rate=0.1, dim=5, window=1)
    forwards = list(pairwise(TOY))
    pairs = Counter([*forwards, *((later, earlier) for earlier, later in forwards)])
    of_context = Counter(context for context, _ in pairs.elements())
    entropy = -sum(n * math.log(n / of_context[context]) for (context, _), n in pairs.items()) / pairs.total()
    assert entropy < fast[-1] < entropy + 0.005


@pytest.mark.parametrize("name", MODELS)
def test_at_the_start_every_word_has_the_same_probability(name):
    vocabulary, block = encoded(real_text())
    model = build_model(MODELS[name](objective="softmax"), vocabulary, threads=1, seed=1, device="cpu")
    assert model.loss(block, 0).loss_per_pair == pytest.approx(math.log(len(vocabulary)), rel=1e-6)


def test_measuring_the_loss_changes_nothing():
    vocabulary, block = encoded(TOY)
    model = build_model(SgnsSettings(objective="softmax"), vocabulary, threads=1, seed=1, device="cpu")
    list(model.train(block, lambda _: 0.1, 1))
    before = {name: array.copy() for name, array in model.state().items()}
    first, second = model.loss(block, 0), model.loss(block, 0)
    assert first == second
    for name, array in model.state().items():
        np.testing.assert_array_equal(array, before[name])


WINDOWS = np.array([2, 0, 2]), np.array([1, 1, 3, 2, 0]), np.array([2, 4, 5])
"""Centers; their contexts; where each window's end: word 2 between 1 and 1, 0 between 3 and 2, 2 after 0."""


@pytest.mark.parametrize("make", [of_skipgram, of_cbow])
def test_a_step_goes_down_the_gradient_that_torch_finds(make):
    predictions = make(*WINDOWS)
    random = torch.Generator().manual_seed(1)
    double = Predictions(*(t.double() if t.is_floating_point() else t for t in predictions))
    rows_in = torch.randn(4, 6, dtype=torch.float64, generator=random, requires_grad=True)
    rows_out = torch.randn(4, 6, dtype=torch.float64, generator=random, requires_grad=True)
    expected = 0.0
    for row in range(len(predictions.targets_per_row)):
        h = rows_in[predictions.words[predictions.row_of_word == row]].mean(dim=0)
        targets = predictions.targets[predictions.row_of_target == row]
        expected += torch.nn.functional.cross_entropy((rows_out @ h).expand(len(targets), 4), targets, reduction="sum")
    expected.backward()
    stepped_in, stepped_out = rows_in.detach().clone(), rows_out.detach().clone()
    loss = descend(stepped_in, stepped_out, double, 0.5)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
    torch.testing.assert_close(stepped_in, rows_in.detach() - 0.5 * rows_in.grad)
    torch.testing.assert_close(stepped_out, rows_out.detach() - 0.5 * rows_out.grad)


def test_the_twins_step_is_minus_its_losss_finite_differences():
    random = np.random.default_rng(0)
    rows_in, rows_out, predictions = random.normal(size=(4, 3)), random.normal(size=(4, 3)), [([1, 3], 2), ([3], 0)]

    def loss(change_in=0.0, change_out=0.0):
        moved_in, moved_out = rows_in.copy(), rows_out.copy()
        moved_in[3, 1] += change_in
        moved_out[2, 0] += change_out
        return reference_objectives.step_softmax(moved_in, moved_out, predictions, 0.0)

    stepped_in, stepped_out = rows_in.copy(), rows_out.copy()
    reference_objectives.step_softmax(stepped_in, stepped_out, predictions, 1.0)
    assert rows_in[3, 1] - stepped_in[3, 1] == pytest.approx((loss(1e-5) - loss(-1e-5)) / 2e-5, rel=1e-6)
    slope = (loss(change_out=1e-5) - loss(change_out=-1e-5)) / 2e-5
    assert rows_out[2, 0] - stepped_out[2, 0] == pytest.approx(slope, rel=1e-6)


def test_a_sequence_of_which_one_token_is_left_makes_no_prediction():
    vocabulary, _ = encoded(TOY)
    model = build_model(CbowSettings(objective="softmax"), vocabulary, threads=1, seed=1, device="cpu")
    lonely = Block(np.array([3, 1], np.int32), np.array([0, 1, 1, 2], np.int64))
    assert model.loss(lonely, 0).pairs == 0
    assert sum(tally.pairs for tally in model.train(lonely, lambda _: 0.1, 1)) == 0


def test_copies_of_two_processes_are_merged():
    vocabulary, block = encoded(TOY)
    model = build_model(SgnsSettings(objective="softmax", dim=4), vocabulary, threads=1, seed=1, device="cpu")
    merge = model.merger(Group(0, 2), 10**9)
    before = model.vectors()
    list(model.train(block, lambda _: 0.1, 1))
    changed = model.vectors() - before
    merge([10**9, 10**9], settle=True)  # with a companion that has changed nothing
    np.testing.assert_allclose(model.vectors() - before, changed / 2, rtol=4e-3, atol=1e-6)


def test_a_large_vocabulary_is_refused_with_advice():
    size = MAX_VOCABULARY + 1
    vocabulary = Vocabulary(["w"] * size, np.ones(size, np.int64), np.ones(size), np.full(size, 1 / size))
    with pytest.raises(ConfigError, match=r"at most 50,000 words, found 50,001; lower vocabulary.max_size, or take"):
        build_model(SgnsSettings(objective="softmax"), vocabulary, threads=1, seed=1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_said():
    with pytest.raises(SetupError, match="torch finds no GPU"):
        device_for(SgnsSettings(objective="softmax"), "cuda")


@pytest.mark.parametrize("settings", [SgnsSettings(objective="softmax"), ElmoSettings()], ids=["softmax", "elmo"])
def test_where_torch_computes_the_log_says_on_what_device_and_why(settings, caplog):
    with caplog.at_level(logging.INFO, "embtrain"):
        device_for(settings, "cpu")
    assert caplog.messages == ["training on the CPU: train.device is cpu"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU; the CPU's curve is tested above")
@pytest.mark.parametrize("name", MODELS)
def test_a_gpu_learns_what_the_cpu_learns(name):
    vocabulary, block = encoded(real_text())
    losses = {}
    for device in ("cpu", "cuda"):
        model = build_model(MODELS[name](objective="softmax", dim=16), vocabulary, threads=1, seed=1, device=device)
        losses[device] = [sum_of(model.train(block, lambda _: 0.05, epoch)) for epoch in range(3)]
    assert losses["cuda"] == pytest.approx(losses["cpu"], abs=1e-4)

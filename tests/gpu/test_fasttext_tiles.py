"""FastText on a GPU: the kernel against its twin, and what the model shares with that of the CPU."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

import reference_gpu
import reference_gpu_fasttext
from embtrain.config import FastTextSettings
from embtrain.data.sequences import Block
from embtrain.data.subwords import SubwordTable
from embtrain.data.vocabulary import Vocabulary
from embtrain.models.fasttext import FastText
from embtrain.models.gpu import tiled
from embtrain.models.gpu.fasttext import DeviceFastText
from embtrain.models.gpu.flight import CENTERS, NEGATIVES
from embtrain.models.protocol import Tally

VOCAB = 23
SEED = 2**40 + 7
ATOL = 2e-5 if not torch.cuda.is_available() else 2e-3  # tensor cores cut factors off after ten bits
SUBWORDS = {"min_n": 3, "max_n": 3, "buckets": 50, "units": "syllables"}


def vocabulary(random):
    keep, negatives = random.uniform(0.6, 1, VOCAB), random.dirichlet(np.ones(VOCAB))
    return Vocabulary([f"word{i}" for i in range(VOCAB)], np.arange(VOCAB, 0, -1) * 9, keep, negatives)


def subwords(random):
    """Give each word 0 to 7 n-grams, some of them twice."""
    lists = [random.integers(0, 50, i % 8) for i in range(VOCAB)]
    return SubwordTable(np.cumsum([0, *map(len, lists)]), np.concatenate(lists).astype(np.int32), SUBWORDS)


def text(random, lengths):
    offsets = np.cumsum([0, *lengths]).astype(np.int64)
    return Block(random.integers(0, VOCAB, offsets[-1]).astype(np.int32), offsets)


def models(device, *, dim=17, **settings):
    """Return the model for GPUs, its rows at random, and that for CPUs of the same settings."""
    random = np.random.default_rng(3)
    arguments = (FastTextSettings(dim=dim, **settings), vocabulary(random), subwords(random))
    ours = DeviceFastText(*arguments, seed=1, device=device)
    for rows in (ours.input_rows, ours.output_rows):
        rows[:, :dim] = torch.tensor(random.normal(size=(len(rows), dim)) * 0.4)
    return ours, FastText(*arguments, threads=1, seed=1)


def run_twin(model, block, rate):
    """Train the twin from where the model is; return both matrices, predictions and loss."""
    settings, (offsets, rows) = model._settings, [array.tolist() for array in model._parts]
    drawn = reference_gpu.keep(block.ids, block.offsets, model._keep_threshold.tolist(), SEED)
    alias = model._alias.cpu().numpy().view(np.uint64)
    tiles = reference_gpu.tiles(
        drawn, (0, block.ids.size), alias, settings.window, settings.dynamic_window, SEED,
        centers=CENTERS, negatives=NEGATIVES, programs=1,
    )  # fmt: skip
    matrices = [matrix.astype(np.float64) for matrix in model.state().values()]
    made = reference_gpu_fasttext.train_fasttext(
        *matrices, [load.tolist() for load in model._loads], drawn[0], tiles,
        [rows[first:last] for first, last in pairwise(offsets)], rate,
        settings.num_negatives / NEGATIVES, cbow=settings.architecture == "cbow",
    )  # fmt: skip
    return *matrices, *made


@pytest.mark.parametrize("architecture", ["skipgram", "cbow"])
@pytest.mark.parametrize(
    ("dim", "window", "dynamic", "lengths"),
    [(1, 1, True, (1, 2, 19)), (17, 3, False, (31, 0, 1)), (100, 5, True, (20,)), (20, 9, True, (5,) * 4)],
)
def test_tiles_do_what_their_twins_do(device, architecture, dim, window, dynamic, lengths):
    model, _ = models(device, dim=dim, window=window, dynamic_window=dynamic, architecture=architecture)
    block = text(np.random.default_rng(4), lengths)
    rows_in, rows_out, pairs, loss = run_twin(model, block, 0.05)
    made = sum(model.train(model.upload(block), lambda _: 0.05, SEED), Tally())
    np.testing.assert_allclose(model.state()["input"], rows_in, atol=ATOL)
    np.testing.assert_allclose(model.state()["output"], rows_out, atol=ATOL)
    assert (made.items, made.pairs) == (block.ids.size, pairs)
    assert made.loss == pytest.approx(loss, rel=1e-5 if ATOL < 1e-3 else 2e-3)


@pytest.mark.parametrize("architecture", ["skipgram", "cbow"])
def test_tiles_at_work_together_change_rows_as_one_after_the_other(
    device, architecture, programs, assert_same_changes, monkeypatch
):
    monkeypatch.setattr(tiled, "programs_in_flight", lambda *_: programs)
    model, _ = models(device, architecture=architecture)
    block = text(np.random.default_rng(4), (programs * 16,))
    before = {name: rows.copy() for name, rows in model.state().items()}
    *expected, pairs, _ = run_twin(model, block, 1e-4)
    made = sum(model.train(model.upload(block), lambda _: 1e-4, SEED), Tally())
    for (name, rows), matrix in zip(model.state().items(), expected, strict=True):
        assert_same_changes(before[name], rows, matrix)
    assert made.pairs == pairs


@pytest.mark.parametrize("architecture", ["skipgram", "cbow"])
def test_measuring_the_loss_changes_nothing(device, architecture):
    model, _ = models(device, architecture=architecture)
    block = text(np.random.default_rng(4), (9,))
    before = {name: rows.copy() for name, rows in model.state().items()}
    assert model.loss(block, SEED).loss == pytest.approx(run_twin(model, block, 0.0)[3], rel=2e-3)
    for name, rows in model.state().items():
        np.testing.assert_array_equal(rows, before[name])


def test_the_cpu_goes_on_from_the_state_of_a_gpu_and_back(device):
    ours, theirs = models(device, dim=8)
    theirs.load_state(ours.state())
    np.testing.assert_array_equal(theirs.vectors(), ours.vectors())
    list(theirs.train(text(np.random.default_rng(4), (50,)), lambda _: 0.1, 2))
    ours.load_state(theirs.state())
    for name, matrix in theirs.state().items():
        np.testing.assert_array_equal(ours.state()[name], matrix)


def test_both_start_from_the_same_rows_where_every_prediction_is_even(device):
    random = np.random.default_rng(3)
    arguments = (FastTextSettings(dim=8), vocabulary(random), subwords(random))
    ours, theirs = DeviceFastText(*arguments, seed=1, device=device), FastText(*arguments, threads=1, seed=1)
    for name, matrix in theirs.state().items():
        np.testing.assert_array_equal(ours.state()[name], matrix)
    # Less than six ln 2: a negative that is the center itself does not count.
    loss = ours.loss(text(random, (40,)), SEED).loss_per_pair
    assert 5 * math.log(2) < loss < 6 * math.log(2)


def test_words_never_seen_have_the_vectors_that_the_cpu_gives_them(device):
    ours, theirs = models(device, dim=8)
    theirs.load_state(ours.state())
    words = vocabulary(np.random.default_rng(3))
    found, expected = (model.subword_vectors(words)["sword"] for model in (ours, theirs))
    np.testing.assert_array_equal(found, expected)

"""GloVe's kernel against its twin, closed forms, and its promises about what it leaves alone."""

import math

import numpy as np
import pytest

from embtrain.config import GloveSettings
from embtrain.data.strata import Strata
from embtrain.data.tiles import CellBlock, CellPiece
from embtrain.data.vocabulary import Vocabulary
from embtrain.errors import ConfigError
from embtrain.models.glove import Glove
from reference_glove import SlowGlove

VOCAB = 40


def glove(num_strata=1, **settings):
    tokens = [f"w{i}" for i in range(VOCAB)]
    vocabulary = Vocabulary(tokens, np.ones(VOCAB, np.int64), np.ones(VOCAB), np.full(VOCAB, 1 / VOCAB))
    return Glove(GloveSettings(**settings), vocabulary, Strata(VOCAB, num_strata), threads=1, seed=3)


def block_of(cells):
    """Return the cells ``(row, column, weight)`` as one segment; without strata, ids are places."""
    rows, columns, weights = (np.array(values) for values in zip(*cells, strict=True))
    places = (columns << 16 | rows).astype(np.uint32)
    log_counts = np.log(np.append(weights, np.ones(16))).astype(np.float32)
    return CellBlock(CellPiece(np.array([[0, len(cells), 0, 0]]), 0), places, log_counts)


def random_cells(count=300):
    random = np.random.default_rng(5)
    ids = random.integers(0, VOCAB, (count, 2))
    return [(i, j, x) for (i, j), x in zip(ids.tolist(), np.exp(random.normal(1, 2, count)).tolist(), strict=True)]


def twin_of(model, dim):
    words, contexts = model.word_rows, model.context_rows
    return SlowGlove(words[:, :dim], contexts[:, :dim], words[:, dim], contexts[:, dim + 1])


def train(model, block, rate=0.05):
    return sum(tally.loss for tally in model.train(block, lambda _: rate, 0))


@pytest.mark.parametrize("dim", [1, 14, 16, 100, 130, 300])
@pytest.mark.parametrize(("x_max", "exponent", "rate"), [(10, 0.75, 0.05), (100, 0.5, 0.2), (0.5, 0.0, 0.01)])
def test_the_kernel_does_what_its_twin_does(dim, x_max, exponent, rate):
    model = glove(dim=dim, x_max=x_max, exponent=exponent)
    slow, cells = twin_of(model, dim), random_cells()
    fast_cost = train(model, block_of(cells), rate)
    slow_cost = slow.train(cells, x_max=x_max, exponent=exponent, rate=rate)
    assert fast_cost == pytest.approx(slow_cost, rel=1e-4)
    np.testing.assert_allclose(model.word_rows[:, :dim], slow.words, atol=2e-4)
    np.testing.assert_allclose(model.context_rows[:, :dim], slow.contexts, atol=2e-4)
    np.testing.assert_allclose(model.word_rows[:, dim], slow.word_bias, atol=2e-4)
    np.testing.assert_allclose(model.context_rows[:, dim + 1], slow.context_bias, atol=2e-4)
    stride = model.word_rows.shape[1] // 2
    np.testing.assert_allclose(model.word_rows[:, stride : stride + dim], slow.word_sums, rtol=1e-3)


def test_the_ones_that_stand_for_biases_and_the_columns_past_them_stay():
    model = glove(dim=5)
    train(model, block_of(random_cells()))
    assert (model.word_rows[:, 6] == 1).all()
    assert (model.context_rows[:, 5] == 1).all()
    assert not model.word_rows[:, 7:16].any()
    assert not model.context_rows[:, 7:16].any()


def test_a_rate_of_zero_changes_nothing_and_measures_the_cost():
    model = glove(dim=12)
    before, block = {name: rows.copy() for name, rows in model.state().items()}, block_of(random_cells())
    cost = model.loss(block, seed=0).loss
    for name, rows in model.state().items():
        np.testing.assert_array_equal(rows, before[name])
    assert cost == pytest.approx(twin_of(model, 12).train(random_cells(), x_max=10, exponent=0.75, rate=0), rel=1e-5)


@pytest.mark.parametrize("weight", [1e-30, 0.1, 1.0, 9.99, 10.0, 5000.0, 1e30])
def test_the_cost_of_rows_that_are_zero_is_half_of_f_times_the_squared_logarithm(weight):
    model = glove(dim=3, x_max=10, exponent=0.75)
    for name, rows in model.state().items():
        rows[:, : 3 + 2] = 0
        rows[:, 3 + (name == "words")] = 1
    expected = 0.5 * min(1, (weight / 10) ** 0.75) * math.log(weight) ** 2
    assert model.loss(block_of([(1, 2, weight)]), seed=0).loss == pytest.approx(expected, rel=2e-5, abs=1e-12)


def test_offsets_count_from_the_rows_of_their_segment():
    cells = random_cells()
    whole, offset = glove(dim=20), glove(dim=20)
    block = block_of([(i, j, x) for i, j, x in cells if i >= 7 and j >= 9])
    shifted = block_of([(i - 7, j - 9, x) for i, j, x in cells if i >= 7 and j >= 9])
    shifted.piece.segments[:, 2:] = (7, 9)
    assert train(whole, block) == train(offset, shifted)
    np.testing.assert_array_equal(whole.word_rows, offset.word_rows)


def test_vectors_are_by_id_wherever_their_rows_lie():
    model = glove(dim=3, num_strata=8, vectors="word")
    expected = np.empty((VOCAB, 3), np.float32)
    for place, token_id in enumerate(sorted(range(VOCAB), key=lambda i: (i % 8, i))):
        expected[token_id] = model.word_rows[place, :3]
    np.testing.assert_array_equal(model.vectors(), expected)


def test_a_cell_that_would_make_a_nan_is_named_and_changes_nothing():
    model = glove(dim=4)
    model.word_rows[7, 0] = np.inf
    before = model.context_rows.copy()
    with pytest.raises(ConfigError, match=r"the cell \('w7', 'w9'\) of weight 2.5 would make a NaN: the training has"):
        train(model, block_of([(7, 9, 2.5)]))
    np.testing.assert_array_equal(model.context_rows, before)


@pytest.mark.parametrize(("vectors", "width"), [("word", 6), ("sum", 6), ("both", 12)])
def test_vectors_are_the_words_the_sums_or_both(vectors, width):
    model = glove(dim=6, vectors=vectors)
    words, contexts = model.word_rows[:, :6], model.context_rows[:, :6]
    expected = {"word": words, "sum": words + contexts, "both": np.concatenate([words, contexts], axis=1)}
    assert model.vectors().shape == (VOCAB, width)
    np.testing.assert_array_equal(model.vectors(), expected[vectors])

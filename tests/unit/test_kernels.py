"""The kernels against their twins, closed forms, and their promises about what they leave alone."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from embtrain.kernels.cbow import train_cbow
from embtrain.kernels.sampling import fill_alias_table
from embtrain.kernels.scratch import Scratch, aligned_rows
from embtrain.kernels.skipgram import train_skipgram

VOCAB = 23
EVERY_OCCURRENCE = np.full(VOCAB, 2**32 - 1, np.uint32)


def alias_table(probability):
    alias = np.empty(len(probability), np.uint64)
    fill_alias_table(np.array(probability, np.float64), alias)
    return alias


def random_rows(random, dim):
    rows = aligned_rows(VOCAB, dim)
    rows[:, :dim] = random.normal(size=(VOCAB, dim)) * 0.4
    return rows


def span(random, lengths):
    offsets = np.cumsum([0, *lengths]).astype(np.int64)
    return random.integers(0, VOCAB, offsets[-1]).astype(np.int32), offsets


def run_both(name, *, dim, window, num_negatives, lengths=(31, 0, 1, 2, 17), dynamic=True, rate=0.05, seed=7):
    """Run a kernel and its twin on the same rows; return both matrices and results of each."""
    random = np.random.default_rng(seed)
    ids, offsets = span(random, lengths)
    keep = random.integers(2**31, 2**32, VOCAB).astype(np.uint32)
    alias = alias_table(random.dirichlet(np.ones(VOCAB)))
    rows_in, rows_out = random_rows(random, dim), random_rows(random, dim)
    slow_in, slow_out = rows_in.astype(np.float64), rows_out.astype(np.float64)
    drawn = reference.windows(ids, offsets, keep, alias, window, dynamic, num_negatives, seed)
    scratch = Scratch.allocate(dim=dim, window=window, num_negatives=num_negatives, longest=max(lengths))
    arguments = (
        rows_in, rows_out, ids, offsets, keep, alias,
        window, dynamic, num_negatives, np.float32(rate), np.uint64(seed), scratch,
    )  # fmt: skip
    if name == "skipgram":
        fast, slow = train_skipgram(*arguments), reference.train_skipgram(slow_in, slow_out, drawn, rate)
    else:
        divide = name == "cbow corrected"
        fast = train_cbow(*arguments, divide)
        slow = reference.train_cbow(slow_in, slow_out, drawn, rate, divide_gradient=divide)
    return (rows_in, rows_out, *fast), (slow_in, slow_out, *slow)


@pytest.mark.parametrize("name", ["skipgram", "cbow corrected", "cbow word2vec"])
@pytest.mark.parametrize(
    ("dim", "window", "num_negatives", "dynamic"),
    [(1, 1, 1, True), (16, 2, 5, False), (100, 5, 5, True), (33, 3, 6, True), (20, 4, 13, False)],
)
def test_kernels_do_what_their_twins_do(name, dim, window, num_negatives, dynamic):
    fast, slow = run_both(name, dim=dim, window=window, num_negatives=num_negatives, dynamic=dynamic)
    np.testing.assert_allclose(fast[0], slow[0], atol=2e-5)
    np.testing.assert_allclose(fast[1], slow[1], atol=2e-5)
    assert fast[2] == slow[2]
    assert fast[3] == pytest.approx(slow[3], rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=5), st.integers(1, 4), st.integers(0, 2**64 - 1))
def test_any_lengths_of_sequences_agree_with_the_twin(lengths, window, seed):
    fast, slow = run_both("skipgram", dim=7, window=window, num_negatives=3, lengths=lengths, seed=seed)
    np.testing.assert_allclose(fast[0], slow[0], atol=2e-5)
    assert fast[2] == slow[2]


@pytest.mark.parametrize("name", ["skipgram", "cbow corrected"])
def test_columns_past_the_dimension_stay_zero(name):
    (rows_in, rows_out, *_), _ = run_both(name, dim=5, window=3, num_negatives=5)
    assert not rows_in[:, 5:].any()
    assert not rows_out[:, 5:].any()


@pytest.mark.parametrize("name", ["skipgram", "cbow corrected"])
def test_a_learning_rate_of_zero_changes_nothing_and_measures_the_loss(name):
    fast, slow = run_both(name, dim=12, window=3, num_negatives=5, rate=0.0)
    np.testing.assert_array_equal(fast[0], slow[0].astype(np.float32))
    np.testing.assert_array_equal(fast[1], slow[1].astype(np.float32))
    assert fast[3] == pytest.approx(slow[3], rel=1e-5)


def test_the_loss_of_rows_that_are_zero_is_ln_two_per_target():
    rows_in, rows_out = aligned_rows(VOCAB, 8), aligned_rows(VOCAB, 8)
    ids, offsets = np.array([0, 1, 0, 1], np.int32), np.array([0, 4], np.int64)
    # Negatives are never 0 or 1, the words of the text: none is left out.
    alias = alias_table([0, 0] + [1 / (VOCAB - 2)] * (VOCAB - 2))
    scratch = Scratch.allocate(dim=8, window=1, num_negatives=5, longest=4)
    pairs, loss = train_skipgram(
        rows_in, rows_out, ids, offsets, EVERY_OCCURRENCE, alias,
        1, False, 5, np.float32(0), np.uint64(1), scratch,
    )  # fmt: skip
    assert pairs == 6
    assert loss == pytest.approx(pairs * 6 * math.log(2), rel=1e-6)


@pytest.mark.parametrize("score", [-39.0, -6.5, -1.0, 0.0, 1e-3, 3.0, 17.0, 39.0])
def test_the_loss_of_a_pair_is_minus_the_log_of_its_sigmoid(score):
    rows_in, rows_out = aligned_rows(VOCAB, 1), aligned_rows(VOCAB, 1)
    rows_in[0, 0], rows_out[1, 0] = 1, score
    ids, offsets = np.array([0, 1], np.int32), np.array([0, 2], np.int64)
    alias = alias_table([0, 0, 1] + [0] * (VOCAB - 3))
    scratch = Scratch.allocate(dim=1, window=1, num_negatives=1, longest=2)
    _, loss = train_skipgram(
        rows_in, rows_out, ids, offsets, EVERY_OCCURRENCE, alias,
        1, False, 1, np.float32(0), np.uint64(1), scratch,
    )  # fmt: skip
    # The pair 0 -> 1 has the score; the pair 1 -> 0 and both negatives have a score of 0.
    expected = math.log1p(math.exp(-abs(score))) + max(-score, 0) + 3 * math.log(2)
    assert loss == pytest.approx(expected, rel=1e-5)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40).filter(lambda weights: sum(weights) > 1e-3))
def test_an_alias_table_stands_for_its_probabilities(weights):
    probability = np.array(weights) / sum(weights)
    np.testing.assert_allclose(reference.alias_probability(alias_table(probability)), probability, atol=1e-8)


def test_an_id_without_probability_is_never_drawn():
    alias = alias_table([0.5, 0.0, 0.5])
    random = reference.Random(3)
    assert 1 not in {random.negative(alias) for _ in range(2000)}


def test_rows_are_aligned_for_vector_instructions():
    for dim in (1, 16, 100):
        rows = aligned_rows(3, dim)
        assert rows.ctypes.data % 64 == 0
        assert rows.shape == (3, -(-dim // 16) * 16)

"""The kernels that train some columns of every vector, against their twins and against each other."""

from itertools import pairwise

import numpy as np
import pytest

import reference_columns
from embtrain.kernels.column_layout import TILE, Drawn, Products, lay_cbow, lay_skipgram
from embtrain.kernels.column_products import (
    MOST_RATE,
    Weights,
    score_cbow,
    score_skipgram,
    update_cbow,
    update_skipgram,
    weigh_cbow,
    weigh_skipgram,
)
from embtrain.kernels.column_rows import take_gradients
from embtrain.kernels.sampling import fill_alias_table
from embtrain.kernels.scratch import aligned_rows

VOCAB, LENGTHS, SEED = 23, np.array([31, 0, 1, 2, 17]), 7


def text():
    """Return ids, offsets, thresholds of subsampling and an alias table, always the same."""
    random = np.random.default_rng(SEED)
    offsets = np.cumsum([0, *LENGTHS]).astype(np.int64)
    ids = random.integers(0, VOCAB, offsets[-1]).astype(np.int32)
    keep = random.integers(2**31, 2**32, VOCAB).astype(np.uint32)
    alias = np.empty(VOCAB, np.uint64)
    fill_alias_table(random.dirichlet(np.ones(VOCAB)), alias)
    return ids, offsets, keep, alias


def laid_out(name, *, window, dynamic, num_negatives, batch_windows, shared=True):
    """Return the products of the text, in arrays; the numbers of batches and predictions; and as the twin has them."""
    ids, offsets, keep, alias = text()
    make, lay = (Products.for_cbow, lay_cbow) if name == "cbow" else (Products.for_skipgram, lay_skipgram)
    products = make(LENGTHS, window=window, num_negatives=num_negatives)
    drawn = Drawn.allocate(int(LENGTHS.max()), num_negatives)
    done = lay(
        ids, offsets, keep, alias,
        window, dynamic, num_negatives, shared, np.uint64(SEED), batch_windows, drawn, products,
    )  # fmt: skip
    fresh, tile = ((num_negatives + 1) // 2, TILE) if shared else (num_negatives, 1)

    def negatives_of(count):
        return count * fresh + num_negatives if name == "cbow" else -(-count // tile) * num_negatives

    sequences = reference_columns.windows_of(ids, offsets, keep, alias, window, dynamic, SEED, negatives_of)
    if name == "cbow":
        tiles = reference_columns.cbow_groups(sequences, num_negatives, fresh)
    else:
        tiles = reference_columns.skipgram_groups(sequences, num_negatives, tile)
    return products, *done, list(reference_columns.in_batches(tiles, batch_windows))


def batches_of(products, num_batches):
    return list(pairwise(products.batches[: num_batches + 1].tolist()))


def random_rows(dim):
    random = np.random.default_rng(dim)
    rows = [aligned_rows(VOCAB, dim) for _ in range(2)]
    for matrix in rows:
        matrix[:, :dim] = random.normal(size=(VOCAB, dim)) * 0.4
    return rows


def train(name, rows_in, rows_out, products, batches, rate, *, slices, divide=True):
    """Train with the chunks of columns cut into slices; return the loss."""
    weights, loss, total = Weights.allocate(VOCAB, VOCAB), aligned_rows(1, 64)[0].view(np.float64), 0.0
    addresses, spare = np.zeros(2 * VOCAB, np.int64), aligned_rows(2, rows_in.shape[1])
    score, weigh = (score_cbow, weigh_cbow) if name == "cbow" else (score_skipgram, weigh_skipgram)
    extra = (addresses, spare) if name == "cbow" else ()
    for batch in batches:
        begin, end = (products.offsets[group] for group in batch)
        parts = [np.full(end - begin + 16, np.nan, np.float32) for _ in slices]
        for columns, part in zip(slices, parts, strict=True):
            score(rows_in, rows_out, columns, products, batch, part, *extra)
        scores = np.sum([part[: end - begin] for part in parts], axis=0)
        total += take_gradients(scores, products.labels[begin:end], np.float32(rate), loss)
        weigh(products, batch, weights, np.float32(1))
        for columns in slices:
            arguments = (rows_in, rows_out, columns, products, batch, scores, weights, np.float32(rate / MOST_RATE))
            if name == "cbow":
                update_cbow(*arguments, *extra, divide)
            else:
                update_skipgram(*arguments)
        weigh(products, batch, weights, np.float32(-1))
    assert not weights.of_input.any()
    assert not weights.of_output.any()
    return total


@pytest.mark.parametrize(("window", "dynamic", "num_negatives"), [(1, True, 1), (3, True, 5), (20, False, 6)])
@pytest.mark.parametrize(("batch_windows", "shared"), [(1, True), (8, True), (8, False), (1000, True)])
def test_skipgrams_products_are_those_of_the_twin(window, dynamic, num_negatives, batch_windows, shared):
    options = {"window": window, "dynamic": dynamic, "num_negatives": num_negatives, "batch_windows": batch_windows}
    products, num_batches, pairs, expected = laid_out("skipgram", **options, shared=shared)
    found = [
        [
            (products.common[g], list(zip(products.partners[a:b].tolist(), products.labels[a:b].tolist(), strict=True)))
            for g, (a, b) in enumerate(pairwise(products.offsets[first : last + 1].tolist()), start=first)
        ]
        for first, last in batches_of(products, num_batches)
    ]
    assert found == expected
    assert pairs == sum(label == 1 for batch in expected for _, partners in batch for _, label in partners)


@pytest.mark.parametrize(("window", "dynamic", "num_negatives"), [(1, True, 1), (3, True, 5), (20, False, 6)])
@pytest.mark.parametrize("shared", [True, False])
def test_cbows_products_are_those_of_the_twin(window, dynamic, num_negatives, shared):
    options = {"window": window, "dynamic": dynamic, "num_negatives": num_negatives, "batch_windows": 8}
    products, num_batches, windows, expected = laid_out("cbow", **options, shared=shared)
    ends, contexts = products.context_offsets, products.contexts
    found = [
        [
            (
                contexts[ends[g] : ends[g + 1]].tolist(),
                list(zip(products.partners[a:b].tolist(), products.labels[a:b].tolist(), strict=True)),
            )
            for g, (a, b) in enumerate(pairwise(products.offsets[first : last + 1].tolist()), start=first)
        ]
        for first, last in batches_of(products, num_batches)
    ]
    assert found == expected
    assert windows == sum(map(len, expected))


@pytest.mark.parametrize("dim", [1, 20, 100])
@pytest.mark.parametrize("rate", [0.05, 1.0])
@pytest.mark.parametrize("name", ["skipgram", "cbow", "cbow word2vec"])
def test_kernels_do_what_their_twins_do(name, dim, rate):
    kind, divide = name.split()[0], name != "cbow word2vec"
    products, num_batches, _, groups = laid_out(kind, window=3, dynamic=True, num_negatives=5, batch_windows=12)
    rows_in, rows_out = random_rows(dim)
    slow_in, slow_out = rows_in.astype(np.float64), rows_out.astype(np.float64)
    whole = [(0, rows_in.shape[1] // 16)]
    fast = train(
        kind, rows_in, rows_out, products, batches_of(products, num_batches), rate, slices=whole, divide=divide
    )
    if kind == "cbow":
        slow = reference_columns.train_cbow(slow_in, slow_out, groups, rate, MOST_RATE, divide_gradient=divide)
    else:
        slow = reference_columns.train_skipgram(slow_in, slow_out, groups, rate, MOST_RATE)
    assert fast == pytest.approx(slow, rel=1e-5)
    np.testing.assert_allclose(rows_in, slow_in, atol=2e-5)
    np.testing.assert_allclose(rows_out, slow_out, atol=2e-5)


@pytest.mark.parametrize("name", ["skipgram", "cbow"])
def test_columns_cut_among_threads_end_as_if_one_had_all(name):
    products, num_batches, *_ = laid_out(name, window=3, dynamic=True, num_negatives=5, batch_windows=12)
    batches = batches_of(products, num_batches)
    alone, shared = random_rows(100), random_rows(100)
    one = train(name, *alone, products, batches, 0.05, slices=[(0, 7)])
    three = train(name, *shared, products, batches, 0.05, slices=[(0, 2), (2, 2), (4, 3)])
    assert one == pytest.approx(three, rel=1e-6)
    np.testing.assert_allclose(alone, shared, atol=1e-6)


def test_a_learning_rate_of_zero_gives_no_gradient_and_the_loss_of_a_score_of_zero_is_ln_two():
    scores, labels = np.zeros(19, np.float32), np.array([1, *[-2] * 17, 0], np.float32)
    loss = take_gradients(scores, labels, np.float32(0), aligned_rows(1, 64)[0].view(np.float64))
    assert loss == pytest.approx(35 * np.log(2), rel=1e-6)
    assert not scores.any()


def test_a_score_that_is_no_number_makes_a_loss_that_is_none():
    scores, labels = np.array([0, np.nan, 0], np.float32), np.array([1, -1, -1], np.float32)
    assert np.isnan(take_gradients(scores, labels, np.float32(0.1), aligned_rows(1, 64)[0].view(np.float64)))

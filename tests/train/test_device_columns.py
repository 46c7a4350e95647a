"""Columns as torch computes them, here on the CPU, against their slow twin; test_columns.py trains with them."""

from dataclasses import replace

import numpy as np
import pytest

import reference_columns
from column_processes import DIM, WORD2VEC
from embtrain.columns import Columns
from embtrain.config import FastTextSettings
from embtrain.distributed import Group
from embtrain.kernels.column_layout import Products
from embtrain.kernels.column_products import MOST_RATE
from embtrain.kernels.column_words import MOST_SUBWORD_RATE, BatchWords, number_words, share_among_rows
from embtrain.kernels.subword_rows import Parts
from embtrain.models.columns import LaidOut
from embtrain.models.gpu.column_subwords import DeviceSubwords
from embtrain.models.gpu.columns import DeviceColumns

VOCAB = 9

PARTS = [[word, *range(VOCAB, VOCAB + word), VOCAB] for word in range(VOCAB)]
"""The rows of each word: its own and n-grams', of which the first is everywhere, and mostly twice."""


def batches(*, cbow, seed=3):
    """Return batches of groups as the twin has them: heads, and products with partners."""
    random = np.random.default_rng(seed)

    def group():
        labels = [1, *(-random.integers(0, 4, random.integers(1, 6))).tolist()]
        members = random.integers(0, VOCAB, random.integers(1, 5)).tolist()
        partners = random.integers(0, VOCAB, len(labels)).tolist()
        return members if cbow else members[0], list(zip(partners, labels, strict=True))

    return [[group() for _ in range(size)] for size in (1, 7, 30)]


def laid_out(groups_of_batches, *, cbow):
    """Return the same as a span."""
    groups = [group for batch in groups_of_batches for group in batch]
    heads = [head if cbow else [head] for head, _ in groups]
    products = [product for _, products in groups for product in products]
    arrays = Products(
        common=np.array([head[0] for head in heads], np.int32),
        contexts=np.array([member for head in heads for member in head], np.int32),
        context_offsets=np.cumsum([0, *map(len, heads)]),
        offsets=np.cumsum([0, *(len(products) for _, products in groups)]),
        partners=np.array([partner for partner, _ in products], np.int32),
        labels=np.array([label for _, label in products], np.float32),
        batches=np.cumsum([0, *map(len, groups_of_batches)]),
        shares=np.array([1 / len(head) for head in heads], np.float32),
    )
    return LaidOut(arrays, len(groups_of_batches), items=0, predictions=len(products))


def numbered(groups_of_batches, *, cbow):
    """Return the same of FastText."""
    span, parts = laid_out(groups_of_batches, cbow=cbow), as_arrays(PARTS)
    products = span.products
    ids, ends = (products.contexts, products.context_offsets) if cbow else (products.partners, products.offsets)
    if cbow:
        share_among_rows(products, products.batches[-1], parts)
    words = BatchWords.allocate(len(ids), len(groups_of_batches))
    number_words(ids, ends, products.batches, len(groups_of_batches), np.full(VOCAB, -1, np.int32), words)
    return replace(span, words=words)


def over_rows(groups_of_batches, *, cbow):
    """Return the products of FastText as those of means of rows with words: what the twin knows as CBOW."""
    if cbow:
        return [
            [([row for i in head for row in PARTS[i]], products) for head, products in batch]
            for batch in groups_of_batches
        ]
    return [
        [(PARTS[partner], [(head, label)]) for head, products in batch for partner, label in products]
        for batch in groups_of_batches
    ]


def as_arrays(parts):
    return Parts(np.cumsum([0, *map(len, parts)]).astype(np.int64), np.concatenate(parts).astype(np.int32))


def filled(name, rows):
    """Return the two matrices as a model's columns on a device."""
    columns = Columns.of(DIM, Group())
    compute = DeviceColumns(WORD2VEC[name], rows["input"], columns, vocab_size=VOCAB, device="cpu")
    compute.load_state(rows)
    return compute


@pytest.fixture
def rows():
    random = np.random.default_rng(1)
    return {matrix: random.normal(size=(VOCAB, DIM)).astype(np.float32) * 0.4 for matrix in ("input", "output")}


@pytest.mark.parametrize("rate", [0.05, 1.0])
@pytest.mark.parametrize("name", WORD2VEC)
def test_a_span_does_what_the_twin_does(name, rate, rows):
    cbow = name != "sgns"
    groups, compute = batches(cbow=cbow), filled(name, rows)
    slow_in, slow_out = (rows[matrix].astype(np.float64) for matrix in ("input", "output"))
    divide = name == "cbow"
    expected = reference_columns.train_at_once(
        slow_in, slow_out, groups, rate, MOST_RATE, cbow=cbow, divide_gradient=divide
    )
    loss = compute.run(laid_out(groups, cbow=cbow), rate)
    assert loss == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(compute.state()["input"], slow_in, atol=2e-5)
    np.testing.assert_allclose(compute.state()["output"], slow_out, atol=2e-5)


@pytest.mark.parametrize("rate", [0.05, 0.1])
@pytest.mark.parametrize("architecture", ["skipgram", "cbow"])
def test_a_span_of_fasttext_does_what_the_twin_does(architecture, rate):
    cbow, random = architecture == "cbow", np.random.default_rng(1)
    groups, sizes = batches(cbow=cbow), {"input": 2 * VOCAB, "output": VOCAB}
    rows = {matrix: random.normal(size=(size, DIM)).astype(np.float32) * 0.4 for matrix, size in sizes.items()}
    settings, columns = FastTextSettings(dim=DIM, architecture=architecture), Columns.of(DIM, Group())
    compute = DeviceSubwords(settings, rows["input"], columns, parts=as_arrays(PARTS), device="cpu")
    compute.load_state(rows)
    slow_in, slow_out = (rows[matrix].astype(np.float64) for matrix in ("input", "output"))
    expected = reference_columns.train_at_once(
        slow_in, slow_out, over_rows(groups, cbow=cbow), rate, MOST_SUBWORD_RATE, cbow=True
    )
    assert compute.run(numbered(groups, cbow=cbow), rate) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(compute.state()["input"], slow_in, atol=2e-5)
    np.testing.assert_allclose(compute.state()["output"], slow_out, atol=2e-5)


@pytest.mark.parametrize("name", WORD2VEC)
def test_without_a_learning_rate_nothing_moves_and_the_loss_is_the_same(name, rows):
    groups = batches(cbow=name != "sgns")[-1:]
    span = laid_out(groups, cbow=name != "sgns")
    measured, trained = filled(name, rows), filled(name, rows)
    assert measured.run(span, 0.0) == pytest.approx(trained.run(span, 0.5), rel=1e-6)
    for matrix, found in measured.state().items():
        np.testing.assert_array_equal(found, rows[matrix])


def test_what_is_saved_is_a_copy(rows):
    compute = filled("sgns", rows)
    compute.state()["input"][:] = 0
    np.testing.assert_array_equal(compute.state()["input"], rows["input"])

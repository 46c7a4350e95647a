"""FastText by columns: how words are numbered in batches, and what a span does, against its slow twin."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import reference_columns
from embtrain.columns import Columns
from embtrain.config import FastTextSettings, SgnsSettings
from embtrain.distributed import Group
from embtrain.kernels.column_words import MOST_SUBWORD_RATE, BatchWords, number_words, share_among_rows
from embtrain.kernels.scratch import aligned_rows
from embtrain.kernels.subword_rows import Parts
from embtrain.models.column_subwords import ThreadedSubwords
from embtrain.models.column_threads import ThreadedColumns
from embtrain.models.columns import LaidOut
from unit.test_column_kernels import LENGTHS, VOCAB, laid_out

NGRAMS = 40
ARCHITECTURES = ["skipgram", "cbow"]


def random_parts():
    """Give each word its own row and 0 to 7 n-grams, some of them twice, and many of other words too."""
    random = np.random.default_rng(5)
    return [[word, *random.integers(VOCAB, VOCAB + NGRAMS, word % 8).tolist()] for word in range(VOCAB)]


def as_arrays(parts):
    offsets = np.cumsum([0, *map(len, parts)]).astype(np.int64)
    return Parts(offsets, np.concatenate(parts).astype(np.int32))


def text_of(architecture, parts):
    """Return the text as a span whose words are numbered, and its batches as the twin has them, by ids."""
    options = {"window": 3, "dynamic": True, "num_negatives": 5, "batch_windows": 12, "shared": False}
    products, num_batches, predictions, groups = laid_out(architecture, **options)
    ids, ends = products.partners, products.offsets
    if architecture == "cbow":
        ids, ends = products.contexts, products.context_offsets
        share_among_rows(products, products.batches[num_batches], parts)
    words = BatchWords.allocate(len(ids), num_batches)
    number_words(ids, ends, products.batches, num_batches, np.full(VOCAB, -1, np.int32), words)
    return LaidOut(products, num_batches, int(LENGTHS.sum()), predictions, words), groups


def random_rows(size, dim):
    rows = aligned_rows(size, dim)
    rows[:, :dim] = np.random.default_rng(dim).normal(size=(size, dim)) * 0.4
    return rows


def filled(architecture, parts, dim, *, threads=1):
    """Return a model's columns, all of them, with random rows."""
    settings, columns = FastTextSettings(dim=dim, window=3, architecture=architecture), Columns.of(dim, Group())
    rows = random_rows(VOCAB + NGRAMS, dim)
    compute = ThreadedSubwords(settings, rows, columns, parts=as_arrays(parts), threads=threads)
    compute.state()["output"][:] = random_rows(VOCAB, dim)[:, :dim]
    return compute


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_each_batch_has_each_of_its_words_once_and_names_it_by_its_number(architecture):
    span, groups = text_of(architecture, as_arrays(random_parts()))
    products = span.products
    found = (products.contexts, products.context_offsets) if architecture == "cbow" else (
        products.partners, products.offsets
    )  # fmt: skip
    batches = list(span.batches())
    assert len(batches) == len(groups)
    for batch, expected in zip(batches, groups, strict=True):
        assert len(set(batch.words.tolist())) == batch.words.size
        numbers = [found[0][a:b] for a, b in pairwise(found[1][slice(batch.groups[0], batch.groups[1] + 1)].tolist())]
        ids = [contexts if architecture == "cbow" else [i for i, _ in contexts] for contexts in (
            [group[0] if architecture == "cbow" else group[1] for group in expected]
        )]  # fmt: skip
        assert [batch.words[of_group].tolist() for of_group in numbers] == ids


def test_cbows_means_are_of_all_rows_of_all_context_words():
    parts = random_parts()
    span, groups = text_of("cbow", as_arrays(parts))
    expected = [1 / sum(len(parts[i]) for i in contexts) for batch in groups for contexts, _ in batch]
    np.testing.assert_allclose(span.products.shares[: len(expected)], expected, rtol=1e-6)


@pytest.mark.parametrize("dim", [1, 20, 100])
@pytest.mark.parametrize("rate", [0.05, 0.1])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_span_does_what_the_twin_does(architecture, rate, dim):
    parts = random_parts()
    span, groups = text_of(architecture, as_arrays(parts))
    compute = filled(architecture, parts, dim)
    slow = {name: rows.astype(np.float64) for name, rows in compute.state().items()}
    expected = reference_columns.train_fasttext(
        slow["input"], slow["output"], groups, parts, rate, MOST_SUBWORD_RATE, cbow=architecture == "cbow"
    )
    assert compute.run(span, rate) == pytest.approx(expected, rel=1e-5)
    for name, rows in compute.state().items():
        np.testing.assert_allclose(rows, slow[name], atol=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_threads_that_share_the_columns_end_as_one_does(architecture):
    span, _ = text_of(architecture, as_arrays(random_parts()))
    one, three = (filled(architecture, random_parts(), 100, threads=threads) for threads in (1, 3))
    assert one.run(span, 0.05) == pytest.approx(three.run(span, 0.05), rel=1e-6)
    for name, rows in one.state().items():
        np.testing.assert_allclose(rows, three.state()[name], atol=1e-6)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_without_a_learning_rate_nothing_moves_and_the_loss_is_the_same(architecture):
    span, _ = text_of(architecture, as_arrays(random_parts()))
    span = replace(span, num_batches=1, words=BatchWords(span.words.ids, span.words.offsets[:2]))
    measured, trained = (filled(architecture, random_parts(), 20) for _ in range(2))
    before = {name: rows.copy() for name, rows in measured.state().items()}
    assert measured.run(span, 0.0) == pytest.approx(trained.run(span, 0.5), rel=1e-6)
    for name, rows in measured.state().items():
        np.testing.assert_array_equal(rows, before[name])


def test_words_without_ngrams_learn_as_in_skipgram():
    parts = [[word] for word in range(VOCAB)]
    span, _ = text_of("skipgram", as_arrays(parts))
    subwords = filled("skipgram", parts, 20)
    rows, output_rows = (subwords.state()[name].copy() for name in ("input", "output"))
    columns, aligned = Columns.of(20, Group()), aligned_rows(VOCAB, 20)
    plain = ThreadedColumns(SgnsSettings(dim=20, window=3), aligned, columns, vocab_size=VOCAB, threads=1)
    plain.load_state({"input": rows[:VOCAB], "output": output_rows})
    products, num_batches, *_ = laid_out(
        "skipgram", window=3, dynamic=True, num_negatives=5, batch_windows=12, shared=False
    )
    by_ids = replace(span, products=products, num_batches=num_batches, words=None)
    rate = 0.01  # so low that no row has more steps than it bears, which is another bound there
    assert subwords.run(span, rate) == pytest.approx(plain.run(by_ids, rate), rel=1e-6)
    np.testing.assert_allclose(subwords.state()["input"][:VOCAB], plain.state()["input"], atol=1e-6)
    np.testing.assert_allclose(subwords.state()["output"], plain.state()["output"], atol=1e-6)

"""FastText's kernel against its twin, and what must be as without n-grams."""

import numpy as np
import pytest

import reference
import reference_fasttext
from embtrain.kernels.fasttext import train_fasttext
from embtrain.kernels.sampling import fill_alias_table
from embtrain.kernels.scratch import Scratch, aligned_rows
from embtrain.kernels.skipgram import train_skipgram
from embtrain.kernels.subword_rows import Parts, SubwordScratch

VOCAB, NGRAMS = 19, 30
EVERY_OCCURRENCE = np.full(VOCAB, 2**32 - 1, np.uint32)


def parts_of(lists):
    offsets = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    return Parts(offsets, np.concatenate(lists).astype(np.int32))


def random_parts(random):
    """Give each word its own row and 0 to 7 n-grams, some of them twice."""
    return [[word, *random.integers(VOCAB, VOCAB + NGRAMS, word % 8)] for word in range(VOCAB)]


def random_rows(random, size, dim):
    rows = aligned_rows(size, dim)
    rows[:, :dim] = random.normal(size=(size, dim)) * 0.4
    return rows


def run_both(*, cbow, dim, window, num_negatives, lengths=(31, 0, 1, 2, 17), dynamic=True, rate=0.05, seed=7):
    """Run the kernel and its twin on the same rows; return both matrices and results of each."""
    random = np.random.default_rng(seed)
    offsets = np.cumsum([0, *lengths]).astype(np.int64)
    ids = random.integers(0, VOCAB, offsets[-1]).astype(np.int32)
    keep = random.integers(2**31, 2**32, VOCAB).astype(np.uint32)
    alias = np.empty(VOCAB, np.uint64)
    fill_alias_table(random.dirichlet(np.ones(VOCAB)), alias)
    lists = random_parts(random)
    rows_in, rows_out = random_rows(random, VOCAB + NGRAMS, dim), random_rows(random, VOCAB, dim)
    slow_in, slow_out = rows_in.astype(np.float64), rows_out.astype(np.float64)
    scratch = SubwordScratch.allocate(
        dim=dim, window=window, num_negatives=num_negatives, longest=max(lengths), most_parts=8
    )
    fast = train_fasttext(
        rows_in, rows_out, ids, offsets, keep, alias,
        window, dynamic, num_negatives, np.float32(rate), np.uint64(seed), scratch, parts_of(lists), cbow,
    )  # fmt: skip
    text = (ids, offsets, keep, alias, window, dynamic, num_negatives, seed)
    drawn = reference.drawn_sequences(*text, shared_negatives=False)
    slow = reference_fasttext.train_fasttext(slow_in, slow_out, drawn, lists, window, rate, cbow=cbow)
    return (rows_in, rows_out, *fast), (slow_in, slow_out, *slow)


@pytest.mark.parametrize("cbow", [False, True])
@pytest.mark.parametrize(
    ("dim", "window", "num_negatives", "dynamic"),
    [(1, 1, 1, True), (16, 2, 5, False), (100, 5, 5, True), (33, 3, 6, True), (20, 4, 13, False)],
)
def test_the_kernel_does_what_its_twin_does(cbow, dim, window, num_negatives, dynamic):
    fast, slow = run_both(cbow=cbow, dim=dim, window=window, num_negatives=num_negatives, dynamic=dynamic)
    np.testing.assert_allclose(fast[0], slow[0], atol=5e-5)
    np.testing.assert_allclose(fast[1], slow[1], atol=5e-5)
    assert fast[2] == slow[2]
    assert fast[3] == pytest.approx(slow[3], rel=1e-5)
    assert not fast[0][:, dim:].any()


@pytest.mark.parametrize("cbow", [False, True])
def test_a_learning_rate_of_zero_changes_nothing(cbow):
    fast, slow = run_both(cbow=cbow, dim=12, window=3, num_negatives=5, rate=0.0)
    np.testing.assert_array_equal(fast[0], slow[0].astype(np.float32))
    np.testing.assert_array_equal(fast[1], slow[1].astype(np.float32))


def test_words_without_ngrams_learn_as_in_skipgram():
    rows, plain_rows = (random_rows(np.random.default_rng(3), VOCAB, 20) for _ in range(2))
    out, plain_out = (random_rows(np.random.default_rng(4), VOCAB, 20) for _ in range(2))
    random = np.random.default_rng(5)
    # No word occurs twice in the windows that are open together: then it makes no difference when rows are changed.
    ids, offsets = random.permutation(VOCAB).astype(np.int32), np.array([0, VOCAB], np.int64)
    alias = np.empty(VOCAB, np.uint64)
    fill_alias_table(np.full(VOCAB, 1 / VOCAB), alias)
    # A single negative is each window's own in both.
    shape = {"dim": 20, "window": 3, "num_negatives": 1, "longest": VOCAB}
    text = (ids, offsets, EVERY_OCCURRENCE, alias, 3, False, 1, np.float32(0.05), np.uint64(1))
    scratch, alone = SubwordScratch.allocate(**shape, most_parts=1), parts_of([[word] for word in range(VOCAB)])
    result = train_fasttext(rows, out, *text, scratch, alone, False)
    assert result == pytest.approx(train_skipgram(plain_rows, plain_out, *text, Scratch.allocate(**shape)))
    np.testing.assert_allclose(rows, plain_rows, atol=1e-6)
    np.testing.assert_allclose(out, plain_out, atol=1e-6)


@pytest.mark.parametrize("architecture", ["skipgram", "cbow"])
def test_rows_move_as_in_facebooks_program(tmp_path, architecture):
    """With two words and a window of one nothing is drawn there: the only negative is the other word."""
    fasttext = pytest.importorskip("fasttext", reason="Facebook's fastText is the peer: pip install fasttext")
    line, passes, rate = ["playing", "bananas", "bananas", "playing", "bananas"] * 2, 31, 0.05
    text = tmp_path / "text.txt"
    text.write_text(" ".join(line))
    # So many buckets that its matrix is in fresh memory: all but a tenth of it is left as it is found there.
    options = {"dim": 5, "ws": 1, "neg": 1, "minCount": 1, "t": 1, "bucket": 2_000_000, "lr": rate, "thread": 1}
    start = fasttext.train_unsupervised(str(text), model=architecture, epoch=0, verbose=0, **options)
    # Until so many tokens are done the rate is not lowered, and it does not stop before.
    options["lrUpdateRate"] = len(line) * passes - 1
    end = fasttext.train_unsupervised(str(text), model=architecture, epoch=1, verbose=0, **options)

    words = end.get_words()
    ids = [words.index(word) for word in line]
    windows = [([i for i in (p - 1, p + 1) if 0 <= i < len(ids)], [1 - center]) for p, center in enumerate(ids)]
    rows, out = start.get_input_matrix().astype(np.float64), np.zeros((2, 5))
    parts = [end.get_subwords(word)[1] for word in words]
    reference_fasttext.train_fasttext(rows, out, [(ids, windows)] * passes, parts, 1, rate, cbow=architecture == "cbow")
    # Its sigmoid comes from a table; and it takes the pairs of a window one after the other.
    expected = end.get_output_matrix()
    np.testing.assert_allclose(out, expected, atol=0.03 * np.abs(expected).max())
    used = np.unique(np.concatenate(parts))
    before, after = start.get_input_matrix()[used], end.get_input_matrix()[used]
    np.testing.assert_allclose(rows[used] - before, after - before, atol=0.03 * np.abs(after - before).max())

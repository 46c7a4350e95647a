"""Huffman's tree and the kernels over it: against their twins, closed forms, gensim, and torch's gradients."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
import reference_objectives
from embtrain.kernels.hierarchical_softmax import train_cbow_on_paths, train_skipgram_on_paths
from embtrain.kernels.huffman import build_huffman_tree
from embtrain.kernels.scratch import PathScratch, aligned_rows

VOCAB = 23
COUNTS = np.sort(np.random.default_rng(4).zipf(1.4, VOCAB))[::-1].astype(np.int64)
descending_counts = st.lists(st.integers(1, 50), min_size=2, max_size=60).map(lambda counts: sorted(counts)[::-1])


def tree_of(counts):
    return build_huffman_tree(np.array(counts, np.int64))


def paths_of(tree):
    """Return the paths as the twin does."""
    ends = zip(tree.offsets, tree.offsets[1:], strict=False)
    return [[(int(step) >> 1, int(step) & 1) for step in tree.steps[first:last]] for first, last in ends]


# --- the tree ------------------------------------------------------------------------------------------------------


@settings(deadline=None)  # the first example waits for the compiler
@given(descending_counts)
def test_the_tree_is_that_of_the_twin(counts):
    assert paths_of(tree_of(counts)) == reference_objectives.huffman_paths(counts)


@settings(deadline=None)  # the first example waits for the compiler
@given(descending_counts)
def test_no_code_begins_with_another_and_none_is_wasted(counts):
    lengths = np.diff(tree_of(counts).offsets)
    assert sum(2.0**-length for length in lengths) == 1, "Kraft's equality"
    codes = ["".join(str(code) for _, code in path) for path in paths_of(tree_of(counts))]
    assert not any(a != b and b.startswith(a) for a in codes for b in codes)


@settings(deadline=None)  # the first example waits for the compiler
@given(descending_counts)
def test_the_mean_length_is_within_one_of_the_entropy(counts):
    share = np.array(counts) / sum(counts)
    mean_length = share @ np.diff(tree_of(counts).offsets)
    entropy = -share @ np.log2(share)
    assert entropy - 1e-9 <= mean_length < entropy + 1


def test_counts_that_are_powers_of_two_have_codes_of_their_logarithms_length():
    assert np.diff(tree_of([32, 16, 8, 4, 2, 1, 1]).offsets).tolist() == [1, 2, 3, 4, 5, 6, 6]


def test_equal_counts_have_codes_of_equal_length():
    assert np.diff(tree_of([7] * 16).offsets).tolist() == [4] * 16


def test_the_root_is_the_last_node_and_the_lighter_child_has_code_0():
    assert paths_of(tree_of([5, 3, 1])) == [[(1, 1)], [(1, 0), (0, 1)], [(1, 0), (0, 0)]]


def test_a_nodes_weight_is_that_of_the_words_below_it():
    assert tree_of([5, 3, 1]).node_weights(np.array([0.5, 0.3, 0.1])).tolist() == pytest.approx([0.4, 0.9])


def gensim_vocabulary(counts):
    """Return the paths of gensim's tree over words with these counts, and the counts in gensim's order."""
    gensim = pytest.importorskip("gensim.models", reason="a peer: pip install -e '.[dev]'")
    peer = gensim.Word2Vec(hs=1, negative=0, min_count=1, vector_size=1)
    peer.build_vocab_from_freq({f"w{i}": int(count) for i, count in enumerate(counts)})
    points, codes = (peer.wv.expandos[name] for name in ("point", "code"))
    paths = [[(int(n), int(c)) for n, c in zip(p, b, strict=True)] for p, b in zip(points, codes, strict=True)]
    return paths, [peer.wv.get_vecattr(word, "count") for word in peer.wv.index_to_key]


def test_without_ties_the_paths_are_gensims():
    counts = np.sort(np.random.default_rng(1).integers(1, 10**15, 500))[::-1]
    assert paths_of(tree_of(counts)) == gensim_vocabulary(counts)[0]


def test_with_ties_the_code_of_a_corpus_is_as_short_as_gensims():
    counts = np.sort(np.random.default_rng(0).zipf(1.3, 3000) % 10_000 + 1)[::-1]
    paths, peers_counts = gensim_vocabulary(counts)
    assert peers_counts == counts.tolist()
    assert np.diff(tree_of(counts).offsets) @ counts == sum(len(p) * c for p, c in zip(paths, counts, strict=True))


# --- the kernels ---------------------------------------------------------------------------------------------------


def random_rows(random, size, dim):
    rows = aligned_rows(size, dim)
    rows[:, :dim] = random.normal(size=(size, dim)) * 0.4
    return rows


def run_both(name, *, dim=12, window=3, lengths=(31, 0, 1, 2, 17), dynamic=True, rate=0.05, seed=7, counts=COUNTS):
    """Run a kernel and its twin on the same rows; return both matrices and results of each."""
    random = np.random.default_rng(seed)
    offsets = np.cumsum([0, *lengths]).astype(np.int64)
    ids = random.integers(0, len(counts), offsets[-1]).astype(np.int32)
    keep = random.integers(2**31, 2**32, len(counts)).astype(np.uint32)
    tree = tree_of(counts)
    rows_in, rows_out = random_rows(random, len(counts), dim), random_rows(random, len(counts) - 1, dim)
    slow_in, slow_out = rows_in.astype(np.float64), rows_out.astype(np.float64)
    drawn = reference.windows(ids, offsets, keep, [], window, dynamic, 0, seed)
    scratch = PathScratch.allocate(dim=dim, window=window, longest_path=tree.longest, longest=max(lengths))
    arguments = (
        rows_in, rows_out, ids, offsets, keep, tree, window, dynamic, np.float32(rate), np.uint64(seed), scratch,
    )  # fmt: skip
    paths = reference_objectives.huffman_paths(counts)
    if name == "skipgram":
        fast = train_skipgram_on_paths(*arguments)
        slow = reference_objectives.train_skipgram_on_paths(slow_in, slow_out, drawn, paths, rate)
    else:
        divide = name == "cbow corrected"
        fast = train_cbow_on_paths(*arguments, divide)
        slow = reference_objectives.train_cbow_on_paths(slow_in, slow_out, drawn, paths, rate, divide_gradient=divide)
    return (rows_in, rows_out, *fast), (slow_in, slow_out, *slow)


@pytest.mark.parametrize("name", ["skipgram", "cbow corrected", "cbow word2vec"])
@pytest.mark.parametrize(("dim", "window", "dynamic"), [(1, 1, True), (16, 2, False), (100, 5, True), (33, 3, True)])
def test_kernels_do_what_their_twins_do(name, dim, window, dynamic):
    fast, slow = run_both(name, dim=dim, window=window, dynamic=dynamic)
    np.testing.assert_allclose(fast[0], slow[0], atol=2e-5)
    np.testing.assert_allclose(fast[1], slow[1], atol=2e-5)
    assert fast[2] == slow[2]
    assert fast[3] == pytest.approx(slow[3], rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=5), st.integers(1, 4), descending_counts)
def test_any_lengths_and_any_tree_agree_with_the_twin(lengths, window, counts):
    for name in ("skipgram", "cbow corrected"):
        fast, slow = run_both(name, dim=7, window=window, lengths=lengths, counts=counts)
        np.testing.assert_allclose(fast[0], slow[0], atol=2e-5)
        np.testing.assert_allclose(fast[1], slow[1], atol=2e-5)


@pytest.mark.parametrize("name", ["skipgram", "cbow corrected"])
def test_columns_past_the_dimension_stay_zero(name):
    (rows_in, rows_out, *_), _ = run_both(name, dim=5)
    assert not rows_in[:, 5:].any()
    assert not rows_out[:, 5:].any()


@pytest.mark.parametrize("name", ["skipgram", "cbow corrected"])
def test_a_learning_rate_of_zero_changes_nothing_and_measures_the_loss(name):
    fast, slow = run_both(name, rate=0.0)
    np.testing.assert_array_equal(fast[0], slow[0].astype(np.float32))
    np.testing.assert_array_equal(fast[1], slow[1].astype(np.float32))
    assert fast[3] == pytest.approx(slow[3], rel=1e-5)


def pair(input_row, rows_out, word, *, rate=0.0, counts=COUNTS):
    """Let word 0, whose row is given, predict another; return the loss, that row and the nodes' rows afterwards.

    The other word, which predicts word 0, has a row of zeros, so that it changes no node's row.
    """
    tree, dim = tree_of(counts), input_row.size
    rows_in, rows_after = aligned_rows(len(counts), dim), aligned_rows(len(counts) - 1, dim)
    rows_in[0, :dim], rows_after[:] = input_row, rows_out
    scratch = PathScratch.allocate(dim=dim, window=1, longest_path=tree.longest, longest=2)
    keep = np.full(len(counts), 2**32 - 1, np.uint32)
    ids, offsets = np.array([0, word], np.int32), np.array([0, 2], np.int64)
    _, both = train_skipgram_on_paths(
        rows_in, rows_after, ids, offsets, keep, tree, 1, False, np.float32(rate), np.uint64(1), scratch
    )
    return both - math.log(2) * np.diff(tree.offsets)[0], rows_in[0, :dim], rows_after


def test_the_probabilities_of_all_words_sum_to_one():
    random = np.random.default_rng(5)
    input_row, rows_out = random.normal(size=8).astype(np.float32), random_rows(random, VOCAB - 1, 8)
    losses = [pair(input_row, rows_out, word)[0] for word in range(1, VOCAB)]
    path_of_itself = reference_objectives.huffman_paths(COUNTS)[0]
    odds = [math.exp((1 - 2 * code) * (rows_out[node, :8] @ input_row)) for node, code in path_of_itself]
    of_itself = math.prod(odd / (1 + odd) for odd in odds)
    assert of_itself + sum(math.exp(-loss) for loss in losses) == pytest.approx(1, abs=1e-5)


def test_the_loss_of_rows_that_are_zero_is_ln_two_per_decision():
    word = VOCAB - 1
    loss, *_ = pair(np.zeros(4, np.float32), aligned_rows(VOCAB - 1, 4), word)
    assert loss == pytest.approx(len(reference_objectives.huffman_paths(COUNTS)[word]) * math.log(2), rel=1e-6)


def test_a_step_goes_down_the_gradient_that_torch_finds():
    torch = pytest.importorskip("torch")
    # No path is longer than six nodes, which are one step: its gradient is taken at one point.
    counts, word, rate = [8, 7, 6, 5, 4, 4, 3, 3, 2, 2, 2, 1], 9, 0.01
    random = np.random.default_rng(8)
    input_row, rows_out = random.normal(size=16).astype(np.float32), random_rows(random, len(counts) - 1, 16)
    h = torch.tensor(input_row, dtype=torch.float64, requires_grad=True)
    o = torch.tensor(rows_out, dtype=torch.float64, requires_grad=True)
    path = reference_objectives.huffman_paths(counts)[word]
    expected = -sum(torch.nn.functional.logsigmoid((1 - 2 * code) * (h @ o[node])) for node, code in path)
    expected.backward()
    loss, new_row, new_nodes = pair(input_row, rows_out, word, rate=rate, counts=counts)
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    np.testing.assert_allclose((input_row - new_row) / rate, h.grad, atol=1e-4)
    np.testing.assert_allclose((rows_out - new_nodes) / rate, o.grad, atol=1e-4)


def test_the_twins_step_is_minus_its_loss_finite_differences():
    random, rate, path = np.random.default_rng(2), 1.0, [(1, 0), (3, 1), (0, 1)]
    rows_in, rows_out = random.normal(size=(2, 4)), random.normal(size=(4, 4))

    def loss(change=0.0):
        moved = rows_in.copy()
        moved[0, 2] += change
        return reference_objectives.train_skipgram_on_paths(moved, rows_out.copy(), [(1, [0], [])], [[], path], 0)[1]

    slope = (loss(1e-5) - loss(-1e-5)) / 2e-5
    stepped = rows_in.copy()
    reference_objectives.train_skipgram_on_paths(stepped, rows_out.copy(), [(1, [0], [])], [[], path], rate)
    assert stepped[0, 2] - rows_in[0, 2] == pytest.approx(-slope, rel=1e-6)

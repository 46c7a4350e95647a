"""GloVe on some columns of every row: batches, kernels and torch against their twin, and what comes out of them."""

from itertools import pairwise

import numpy as np
import pytest

from embtrain.columns import Columns
from embtrain.config import GloveSettings
from embtrain.data.strata import Strata
from embtrain.data.tiles import CellBlock, CellPiece
from embtrain.data.vocabulary import Vocabulary
from embtrain.distributed import Group
from embtrain.errors import ConfigError
from embtrain.kernels.column_glove import Cells, count_most, deal_cells
from embtrain.models.column_glove import MOST_RATE, ColumnGlove
from embtrain.models.column_glove_threads import ThreadedGloveColumns
from embtrain.models.glove_rows import row_width, starting_rows
from embtrain.models.gpu.column_glove import DeviceGloveColumns
from reference_glove import SlowGlove

VOCAB, CELLS, BATCHES = 40, 300, 10


def compute_of(name, *, dim, threads=1, **settings):
    """Return all columns in one process, where they would be computed with."""
    columns = Columns.of(row_width(dim), Group())
    rows = starting_rows(VOCAB, dim, 3)
    settings = GloveSettings(dim=dim, **settings)
    if name == "device":
        return DeviceGloveColumns(settings, rows, columns, device="cpu")
    return ThreadedGloveColumns(settings, rows, columns, threads=threads)


def drawn_cells():
    random = np.random.default_rng(5)
    ids = random.integers(0, VOCAB, (CELLS, 2))
    return [(i, j, x) for (i, j), x in zip(ids.tolist(), np.exp(random.normal(1, 2, CELLS)).tolist(), strict=True)]


def block_of(drawn, edges=(0, CELLS), first_rows=((0, 0),)):
    """Return the cells ``(row, column, weight)`` in segments."""
    segments = np.array([[a, b, *rows] for a, b, rows in zip(edges, edges[1:], first_rows, strict=False)])
    starts = np.repeat(segments[:, 2:], segments[:, 1] - segments[:, 0], axis=0)
    rows, columns, weights = (np.array(values) for values in zip(*drawn, strict=True))
    places = (columns - starts[:, 1] << 16 | rows - starts[:, 0]).astype(np.uint32)
    log_counts = np.log(np.append(weights, np.ones(16))).astype(np.float32)
    return CellBlock(CellPiece(segments, 0), places, log_counts)


def dealt_out(block, num_batches=BATCHES):
    cells = Cells.allocate(block.piece.size, num_batches)
    deal_cells(block.piece.segments, 0, len(block.piece.segments), block.places, block.log_counts, cells)
    return cells


def batches_of(drawn, num_batches=BATCHES):
    """Return the batches as they should be: cells are dealt out to them in turn."""
    return [drawn[b::num_batches] for b in range(num_batches)]


def twin_of(state, dim):
    words, contexts = state["words"], state["contexts"]
    return SlowGlove(words[:, 0, :dim], contexts[:, 0, :dim], words[:, 0, dim], contexts[:, 0, dim + 1])


def in_segments():
    """Return cells, and the same as three segments that count from other rows."""
    drawn = [(i % 20 + 9, j % 20 + 4, x) for i, j, x in drawn_cells()]
    return drawn, block_of(drawn, (0, 10, 250, 300), ((9, 4), (5, 4), (0, 0)))


@pytest.mark.parametrize("num_batches", [1, 7, 150, 300])
def test_cells_are_dealt_out_to_batches_in_turn(num_batches):
    drawn, block = in_segments()
    cells, expected = dealt_out(block, num_batches), batches_of(drawn, num_batches)
    assert cells.batches.tolist() == np.cumsum([0, *map(len, expected)]).tolist()
    expected = [cell for one in expected for cell in one]
    assert list(zip(cells.words.tolist(), cells.contexts.tolist(), strict=True)) == [(i, j) for i, j, _ in expected]
    np.testing.assert_allclose(np.exp(cells.log_counts[:CELLS]), [x for *_, x in expected], rtol=1e-6)


def test_the_row_with_most_cells_is_counted_and_no_count_is_left():
    drawn, block = in_segments()
    words, contexts = (np.bincount(ids) for ids in list(zip(*drawn, strict=True))[:2])
    counts = np.zeros((2, VOCAB), np.int32)
    assert count_most(block.piece.segments, 0, 3, block.places, *counts) == max(words.max(), contexts.max())
    assert not counts.any()


def batch_sizes(drawn, *, rate):
    """Return the numbers of cells, and of those of word 7, of each batch that a model makes of cells."""
    recorder = Recorder()
    model = model_of(recorder, Strata(VOCAB, 1), dim=4)
    list(model.train(block_of(drawn, (0, len(drawn))), lambda _: rate, 0))
    (cells,) = recorder.spans
    return [(b - a, np.count_nonzero(cells.words[a:b] == 7)) for a, b in pairwise(cells.batches.tolist())]


def test_a_batch_has_no_more_cells_than_there_are_words():
    assert max(size for size, _ in batch_sizes(drawn_cells(), rate=0.05)) <= VOCAB


@pytest.mark.parametrize("rate", [0.05, 0.4, 2.0, 10.0])
def test_the_learning_rates_of_a_rows_cells_in_a_batch_add_up_to_a_bound(rate):
    frequent = [(7, j % VOCAB, 2.0) for j in range(CELLS)]
    sizes = batch_sizes([*frequent, *drawn_cells()], rate=rate)
    assert min(size for size, _ in sizes) >= 1
    assert max(of_row for _, of_row in sizes) <= max(1, MOST_RATE / rate + 3)


class Recorder:
    """Computes nothing, and keeps the spans that it is given."""

    def __init__(self):
        self.spans = []

    def run(self, cells, _rate):
        self.spans.append(cells)
        return 0.0, -1


@pytest.mark.parametrize("dim", [1, 14, 100, 130])
@pytest.mark.parametrize(("x_max", "exponent", "rate"), [(10, 0.75, 0.05), (0.5, 0.0, 0.2)])
@pytest.mark.parametrize("name", ["threads", "device"])
def test_a_span_does_what_the_twin_does(name, dim, x_max, exponent, rate):
    compute = compute_of(name, dim=dim, x_max=x_max, exponent=exponent)
    slow = twin_of(compute.state(), dim)
    options = {"x_max": x_max, "exponent": exponent, "rate": rate, "at_once": name == "device"}
    expected = sum(slow.train_batch(batch, **options) for batch in batches_of(drawn_cells()))
    cost, bad = compute.run(dealt_out(block_of(drawn_cells())), rate)
    assert cost == pytest.approx(expected, rel=1e-4)
    assert bad == -1
    words, contexts = compute.state().values()
    np.testing.assert_allclose(words[:, 0, :dim], slow.words, atol=2e-4)
    np.testing.assert_allclose(contexts[:, 0, :dim], slow.contexts, atol=2e-4)
    np.testing.assert_allclose(words[:, 0, dim], slow.word_bias, atol=2e-4)
    np.testing.assert_allclose(contexts[:, 0, dim + 1], slow.context_bias, atol=2e-4)
    np.testing.assert_allclose(words[:, 1, :dim], slow.word_sums, rtol=1e-3)


@pytest.mark.parametrize("name", ["threads", "device"])
def test_the_ones_that_stand_for_biases_and_the_columns_past_them_stay(name):
    compute = compute_of(name, dim=5)
    compute.run(dealt_out(block_of(drawn_cells())), 0.05)
    words, contexts = (rows[:, 0] for rows in compute.state().values())
    assert (words[:, 6] == 1).all()
    assert (contexts[:, 5] == 1).all()
    assert not words[:, 7:].any()
    assert not contexts[:, 7:].any()


def test_columns_cut_among_threads_end_as_if_one_had_all():
    alone, shared = compute_of("threads", dim=100), compute_of("threads", dim=100, threads=3)
    cells = dealt_out(block_of(drawn_cells()))
    one, _ = alone.run(cells, 0.05)
    three, _ = shared.run(cells, 0.05)
    assert one == pytest.approx(three, rel=1e-6)
    for name, rows in alone.state().items():
        np.testing.assert_allclose(rows, shared.state()[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["threads", "device"])
def test_a_rate_of_zero_changes_nothing_and_measures_the_cost(name):
    compute = compute_of(name, dim=12)
    before, cells = (
        {matrix: rows.copy() for matrix, rows in compute.state().items()},
        dealt_out(block_of(drawn_cells())),
    )
    cost, _ = compute.run(cells, 0.0)
    for matrix, rows in compute.state().items():
        np.testing.assert_array_equal(rows, before[matrix])
    expected = twin_of(before, 12).train_batch(drawn_cells(), x_max=10, exponent=0.75, rate=0)
    assert cost == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["threads", "device"])
def test_a_cell_that_would_make_a_nan_is_named_by_its_words(name):
    compute = compute_of(name, dim=4)
    state = {matrix: rows.copy() for matrix, rows in compute.state().items()}
    strata = Strata(VOCAB, 8)
    state["words"][7, 0, 0] = np.inf
    compute.load_state(state)
    model = model_of(compute, strata, dim=4)
    named = rf"the cell \('w{strata.ids[7]}', 'w{strata.ids[9]}'\) of weight 2.5 would make a NaN: the training has"
    with pytest.raises(ConfigError, match=named):
        list(model.train(block_of([(1, 2, 3.0), (7, 9, 2.5), (4, 5, 1.0)], (0, 3)), lambda _: 0.05, 0))


def model_of(compute, strata, *, dim, **settings):
    tokens = [f"w{i}" for i in range(VOCAB)]
    vocabulary = Vocabulary(tokens, np.ones(VOCAB, np.int64), np.ones(VOCAB), np.full(VOCAB, 1 / VOCAB))
    columns = Columns.of(row_width(dim), Group())
    return ColumnGlove(GloveSettings(dim=dim, **settings), vocabulary, strata, columns, compute, lays_out_ahead=False)


@pytest.mark.parametrize(("vectors", "width"), [("word", 6), ("sum", 6), ("both", 12)])
def test_vectors_are_the_words_the_sums_or_both_by_id(vectors, width):
    strata, compute = Strata(VOCAB, 8), compute_of("threads", dim=6)
    words, contexts = (rows[np.argsort(strata.ids), 0, :6] for rows in compute.state().values())
    expected = {"word": words, "sum": words + contexts, "both": np.concatenate([words, contexts], axis=1)}
    found = model_of(compute, strata, dim=6, vectors=vectors).vectors()
    assert found.shape == (VOCAB, width)
    np.testing.assert_array_equal(found, expected[vectors])


@pytest.mark.parametrize("processes", [1, 2, 3, 16])
def test_starting_columns_are_those_of_whole_rows(processes):
    whole = [matrix.reshape(VOCAB, 2, -1) for matrix in starting_rows(VOCAB, 12, 5)]
    parts = [[], []]
    for rank in range(processes):
        columns = Columns.of(row_width(12), Group(rank, processes))
        own = starting_rows(VOCAB, 12, 5, slice(columns.first, columns.last))
        for side, matrix in zip(parts, own, strict=True):
            side.append(matrix.reshape(VOCAB, 2, -1)[..., : len(columns)])
    for side, matrix in zip(parts, whole, strict=True):
        np.testing.assert_array_equal(np.concatenate(side, axis=2), matrix)

"""GloVe on a GPU: the kernel against its twin, the cells that stay on the device, and what the model promises."""

from itertools import chain

import numpy as np
import pytest
import torch

from embtrain.config import GloveSettings
from embtrain.data.strata import Strata
from embtrain.data.tiles import CellBlock, CellPiece
from embtrain.data.vocabulary import Vocabulary
from embtrain.errors import ConfigError
from embtrain.models.glove import Glove
from embtrain.models.gpu import glove
from embtrain.models.gpu.cells import ResidentCells, cut_into_tiles
from embtrain.models.gpu.glove import DeviceGlove
from reference_gpu_glove import SlowTiles

VOCAB = 40
RTOL = 1e-5 if not torch.cuda.is_available() else 1e-4  # three products of ten bits each instead of one of 24


def vocabulary():
    tokens = [f"w{i}" for i in range(VOCAB)]
    return Vocabulary(tokens, np.ones(VOCAB, np.int64), np.ones(VOCAB), np.full(VOCAB, 1 / VOCAB))


@pytest.fixture
def build(device, monkeypatch):
    """Give a function that makes a model from some of its settings.

    On a GPU tiles of a call run at the same time, and no twin knows how: there each has a call of its own.
    """
    if device == "cuda":
        monkeypatch.setattr(glove, "SPAN_TILES", 1)

    def build_model(num_strata=1, **settings):
        strata = Strata(VOCAB, num_strata)
        return DeviceGlove(GloveSettings(**settings), vocabulary(), strata, seed=3, device=device)

    return build_model


def block_of(*segments):
    """Return segments, each a list of cells ``(row, column, weight)``; without strata, ids are places."""
    rows, columns, weights = (np.array(values) for values in zip(*chain(*segments), strict=True))
    places = (columns << 16 | rows).astype(np.uint32)
    ends = np.cumsum([len(segment) for segment in segments])
    table = np.array([[end - len(segment), end, 0, 0] for segment, end in zip(segments, ends, strict=True)])
    return CellBlock(CellPiece(table, 0), places, np.log(weights).astype(np.float32))


def random_cells(count, *, seed=5):
    """Return cells in random order; sorted by words, no context is twice among 32 that follow each other."""
    random = np.random.default_rng(seed)
    words, contexts = np.sort(random.integers(0, VOCAB, count)), np.resize(random.permutation(VOCAB), count)
    cells = zip(words.tolist(), contexts.tolist(), np.exp(random.normal(1, 2, count)).tolist(), strict=True)
    return [cell for _, cell in sorted(zip(random.random(count), cells, strict=True))]


def tiles_of(model, block, seed=0):
    """Return the cells ``(row, column, weight)`` of each tile that a model makes of a block, in its order."""
    cells = model._cells
    tiles = cut_into_tiles(cells.bring(block), 32, model._device, seed).tolist()
    places, weights = cells.places.tolist(), torch.exp(cells.log_counts.double()).tolist()
    at = [range(first, last) for first, last, _, _ in tiles]
    return [[(places[i] & 0xFFFF, places[i] >> 16, weights[i]) for i in tile] for tile in at]


def snapshot_of(model):
    return {name: rows.copy() for name, rows in model.state().items()}


def twin_of(model):
    dim = model._settings.dim
    words, contexts = snapshot_of(model).values()
    return SlowTiles(words[:, :dim], contexts[:, :dim], words[:, dim], contexts[:, dim + 1])


def train(model, block, rate=0.05, seed=0):
    tallies = list(model.train(block, lambda _: rate, seed))
    assert sum(tally.items for tally in tallies) == sum(tally.pairs for tally in tallies) == block.piece.size
    return sum(tally.loss for tally in tallies)


def assert_as_twin(model, slow):
    dim = model._settings.dim
    words, contexts = snapshot_of(model).values()
    stride, of_context = words.shape[1] // 2, [*range(dim), dim + 1]
    np.testing.assert_allclose(words[:, : dim + 1], slow.words, atol=RTOL)
    np.testing.assert_allclose(contexts[:, of_context], slow.contexts, atol=RTOL)
    np.testing.assert_allclose(words[:, stride : stride + dim + 1], slow.word_sums, rtol=RTOL)
    np.testing.assert_allclose(contexts[:, stride:][:, of_context], slow.context_sums, rtol=RTOL)


@pytest.mark.parametrize(
    ("dim", "count", "x_max", "exponent", "rate"),
    [(1, 1, 10, 0.75, 0.05), (17, 32, 10, 0.75, 0.2), (100, 20, 0.5, 0.0, 0.05), (30, 70, 100, 0.5, 0.01)],
)
def test_the_kernel_does_what_its_twin_does(build, dim, count, x_max, exponent, rate):
    model, block = build(dim=dim, x_max=x_max, exponent=exponent), block_of(random_cells(count))
    slow = twin_of(model)
    cost, tiles = train(model, block, rate), tiles_of(model, block)
    assert cost == pytest.approx(slow.train(tiles, x_max=x_max, exponent=exponent, rate=rate), rel=RTOL)
    assert_as_twin(model, slow)


@pytest.mark.skipif(torch.cuda.is_available(), reason="on a GPU either of two cells of a context may see the other")
def test_cells_of_one_context_read_its_sums_as_the_tile_finds_them(build):
    model, block = build(dim=7), block_of([(i, i % 3, 2.0) for i in range(20)])
    slow = twin_of(model)
    train(model, block, 0.2)
    slow.train(tiles_of(model, block), x_max=10, exponent=0.75, rate=0.2)
    assert_as_twin(model, slow)


def test_calls_of_the_kernel_follow_each_other_with_their_own_learning_rate(build, monkeypatch):
    monkeypatch.setattr(glove, "SPAN_TILES", 1)
    model, block = build(dim=4), block_of(random_cells(64), random_cells(32, seed=6))
    slow, rates = twin_of(model), {0: 0.1, 32: 0.05, 64: 0.02}
    list(model.train(block, rates.get, 0))
    for tile, rate in zip(tiles_of(model, block), rates.values(), strict=True):
        slow.train([tile], x_max=10, exponent=0.75, rate=rate)
    assert_as_twin(model, slow)


def test_tiles_at_work_together_change_rows_as_one_after_the_other(device, programs, assert_same_changes):
    model = DeviceGlove(GloveSettings(dim=17), vocabulary(), Strata(VOCAB, 1), seed=3, device=device)
    block, before, slow = block_of(random_cells(programs * 32)), snapshot_of(model), twin_of(model)
    train(model, block, 1e-3)
    slow.train(tiles_of(model, block), x_max=10, exponent=0.75, rate=1e-3)
    after, stride = snapshot_of(model), before["words"].shape[1] // 2
    for name, expected, sums in (("words", slow.words, slow.word_sums), ("contexts", slow.contexts, slow.context_sums)):
        columns = [*range(17), 17 if name == "words" else 18]
        assert_same_changes(before[name][:, columns], after[name][:, columns], expected)
        of_sums = [stride + column for column in columns]
        np.testing.assert_allclose(after[name][:, of_sums], sums, rtol=1e-4)


def test_gradients_are_held_within_a_hundred(build):
    model, block = build(dim=3, x_max=1), block_of([(1, 2, 1e30), (1, 3, 2.0)])
    model.word_rows[1, :3] = 40
    slow = twin_of(model)
    train(model, block)
    slow.train(tiles_of(model, block), x_max=1, exponent=0.75, rate=0.05)
    assert slow.context_sums.max() == pytest.approx(1 + 25)
    assert_as_twin(model, slow)


def test_the_ones_that_stand_for_biases_and_the_columns_past_them_stay(build):
    model = build(dim=5)
    before = snapshot_of(model)
    train(model, block_of(random_cells(50)))
    after = snapshot_of(model)
    for name, one in (("words", 6), ("contexts", 5)):
        kept = [one, *range(7, 16), 16 + one, *range(16 + 7, 32)]
        np.testing.assert_array_equal(after[name][:, kept], before[name][:, kept])


def test_measuring_the_cost_changes_nothing(build):
    model, block = build(dim=12), block_of(random_cells(40))
    before = snapshot_of(model)
    cost, tiles = model.loss(block, seed=0).loss, tiles_of(model, block)
    assert cost == pytest.approx(twin_of(model).train(tiles, x_max=10, exponent=0.75, rate=0), rel=1e-5)
    for name, rows in model.state().items():
        np.testing.assert_array_equal(rows, before[name])


def test_offsets_count_from_the_rows_of_their_segment(build):
    cells = [(i, j, x) for i, j, x in random_cells(60) if i >= 7 and j >= 9]
    whole, offset = build(dim=20), build(dim=20)
    block = block_of([(i - 7, j - 9, x) for i, j, x in cells])
    block.piece.segments[:, 2:] = (7, 9)
    assert train(whole, block_of(cells)) == pytest.approx(train(offset, block), rel=RTOL)
    for name, rows in whole.state().items():
        np.testing.assert_allclose(rows, offset.state()[name], rtol=RTOL, atol=RTOL)


def test_a_block_without_cells_is_nothing_to_do(build):
    model = build(dim=4)
    nothing = CellPiece(np.empty((0, 4), np.int64), 0)
    assert train(model, CellBlock(nothing, np.zeros(16, np.uint32), np.zeros(16, np.float32))) == 0


def test_a_cell_that_would_make_a_nan_is_named_and_changes_nothing(build):
    model = build(dim=4, num_strata=2)
    model.word_rows[6, 0] = np.inf
    before = snapshot_of(model)["contexts"]
    with pytest.raises(
        ConfigError, match=r"the cell \('w12', 'w16'\) of weight 2.5 would make a NaN: the training has"
    ):
        train(model, block_of([(4, 2, 1.5), (6, 8, 2.5)]))
    after = snapshot_of(model)
    np.testing.assert_array_equal(after["contexts"][8], before[8])
    assert not np.array_equal(after["contexts"][2], before[2])
    assert np.isfinite(after["words"][:6]).all()


def test_cells_stay_on_the_device_sorted_by_words():
    block, cells = block_of(random_cells(20), random_cells(9, seed=6)), ResidentCells(torch.device("cpu"), 1 << 20)
    segments = cells.bring(block)
    assert (segments[:, 1] - segments[:, 0]).tolist() == [20, 9]
    for (first, last, _, _), (start, end, _, _) in zip(segments, block.piece.segments, strict=True):
        words = (cells.places[first:last] & 0xFFFF).tolist()
        assert words == sorted((block.places[start:end] & 0xFFFF).tolist())
        assert sorted(cells.log_counts[first:last].tolist()) == sorted(block.log_counts[start:end].tolist())
    places = cells.places
    np.testing.assert_array_equal(cells.bring(block), segments)
    assert cells.places is places


@pytest.mark.parametrize("room", [0, 1 << 20])  # for one block at a time, and for all
def test_a_block_finds_its_own_cells_whatever_is_there_already(room):
    whole = block_of(*(random_cells(10, seed=seed) for seed in range(4)))
    cells = ResidentCells(torch.device("cpu"), room)
    for part in ([2, 0], [1, 2], [3, 0, 1]):
        piece = CellPiece(whole.piece.segments[part], 0)
        segments = cells.bring(CellBlock(piece, whole.places, whole.log_counts))
        for (first, last, _, _), (start, end, _, _) in zip(segments, piece.segments, strict=True):
            found, expected = cells.log_counts[first:last].tolist(), whole.log_counts[start:end].tolist()
            assert sorted(found) == sorted(expected)


def test_every_cell_is_in_one_tile_and_tiles_of_another_seed_are_in_another_order(device):
    segments = np.array([[0, 70, 1, 2], [100, 101, 3, 4], [101, 133, 5, 6]])
    tiles, others = (cut_into_tiles(segments, 32, torch.device(device), seed).tolist() for seed in (0, 1))
    expected = [[0, 32, 1, 2], [32, 64, 1, 2], [64, 70, 1, 2], [100, 101, 3, 4], [101, 133, 5, 6]]
    assert sorted(tiles) == sorted(others) == expected
    assert tiles != others


def test_two_topics_come_apart(build):
    model = build(dim=10)
    block = block_of([(i, j, 20.0 if i // 6 == j // 6 else 1.0) for i in range(12) for j in range(12)])
    costs = [train(model, block, rate=0.1, seed=epoch) for epoch in range(8)]
    assert costs[-1] < 0.1 * costs[0]
    vectors = model.vectors()[:12]
    cosines = (vectors @ vectors.T) / np.outer(*2 * [np.linalg.norm(vectors, axis=1)])
    np.fill_diagonal(cosines, -1)
    assert (cosines.argmax(axis=1) // 6 == np.arange(12) // 6).all()


class Listener:
    """One of two processes, which hears what is sent and by whom."""

    def __init__(self):
        self.world_size, self.heard = 2, []

    def from_rank(self, values, rank):
        self.heard.append((values, rank))


def test_processes_are_sent_rows_from_where_they_are(build):
    model, group = build(dim=4, num_strata=8), Listener()
    model.merger(group, 1)([1, 1], settle=False)
    strata = [part for rows in (model.word_rows, model.context_rows) for part in rows.split(VOCAB // 8)]
    assert [(rows.data_ptr(), rows.shape) for rows, _ in group.heard] == [(s.data_ptr(), s.shape) for s in strata]
    assert [rank for _, rank in group.heard] == [0, 1] * 8


@pytest.mark.parametrize("on_gpu", [True, False])
def test_what_all_have_since_the_last_round_is_not_sent_again_to_settle(build, on_gpu):
    on_cpu = Glove(GloveSettings(dim=4), vocabulary(), Strata(VOCAB, 8), threads=1, seed=3)
    group, model = Listener(), build(dim=4, num_strata=8) if on_gpu else on_cpu
    merge = model.merger(group, 1)
    merge([1, 1], settle=False)
    assert len(group.heard) == 16
    merge([0, 0], settle=True)
    assert len(group.heard) == 16


def test_a_checkpoint_goes_from_the_cpu_to_the_device_and_back(build):
    settings = GloveSettings(dim=6, vectors="both")
    on_cpu = Glove(settings, vocabulary(), Strata(VOCAB, 8), threads=1, seed=3)
    on_device = build(dim=6, vectors="both", num_strata=8)
    for name, rows in on_cpu.state().items():
        np.testing.assert_array_equal(on_device.state()[name], rows)
    block = block_of(random_cells(40))
    train(on_device, block)
    on_cpu.load_state(snapshot_of(on_device))
    np.testing.assert_array_equal(on_cpu.vectors(), on_device.vectors())
    on_device.load_state(on_cpu.state())
    assert on_device.loss(block, 0).loss == pytest.approx(on_cpu.loss(block, 0).loss, rel=1e-5)

"""Cells in tiles: each is there once, in another order each epoch, and what is wrong with a table is said."""

import math
from itertools import pairwise

import numpy as np
import pytest

from corpora import stripes_of, with_cooccurrence, write_snapshot
from embtrain.data import tiles
from embtrain.data.strata import Strata, num_strata
from embtrain.data.tiles import TiledCells, cut_into_bands
from embtrain.distributed import Group
from embtrain.errors import ConfigError, CorpusError, SetupError

VOCAB = 37


def snapshot_of(folder, stripes, **options):
    sequences = [np.array([i, i]) for i in range(VOCAB)]
    return with_cooccurrence(write_snapshot(folder, sequences, [f"w{i}" for i in range(VOCAB)]), stripes, **options)


def random_matrix(density=0.4):
    random = np.random.default_rng(2)
    half = np.triu(np.exp(random.normal(size=(VOCAB, VOCAB))) * (random.random((VOCAB, VOCAB)) < density))
    return (half + half.T).astype(np.float32)


def tiled(snapshot, folder, *, rank=0, world_size=1, seed=1):
    return TiledCells(snapshot, VOCAB, folder, seed=seed, group=Group(rank, world_size))


def cells_of(block, strata):
    """Return the cells of a block in order: row, column, log of the weight."""
    cells = []
    for first, last, row, column in block.piece.segments.tolist():
        places = block.places[first:last].astype(np.int64)
        rows, columns = strata.ids[row + (places & 0xFFFF)], strata.ids[column + (places >> 16)]
        cells += zip(rows.tolist(), columns.tolist(), block.log_counts[first:last].tolist(), strict=True)
    return cells


def trained_on(source, *, rank=0, world_size=1, epoch=0, done=0):
    """Return the cells of each round that a process trains on, in what is left of an epoch."""
    rounds = source.rounds(source.order(epoch=epoch, seed=1)[done:], world_size)
    strata = Strata(VOCAB, num_strata(world_size))
    return [cells_of(block, strata) for block in source.blocks([round_.shares[rank] for round_ in rounds])]


def each_trained_on(snapshot, folder, world_size, *, done=0):
    """Return what :func:`trained_on` does, for each process."""
    return [
        trained_on(
            tiled(snapshot, folder, rank=rank, world_size=world_size), rank=rank, world_size=world_size, done=done
        )
        for rank in range(world_size)
    ]


def cells_in(matrix):
    return sorted((int(i), int(j), math.log(matrix[i, j])) for i, j in zip(*np.nonzero(matrix), strict=True))


@pytest.fixture
def small(monkeypatch):
    """Make tiles of 8 x 8, and all else as small, so that a toy has many of everything."""
    monkeypatch.setattr(tiles, "SIDE_BITS", 3)
    monkeypatch.setattr(tiles, "SEGMENT_CELLS", 10)
    monkeypatch.setattr(tiles, "PIECE_CELLS", 60)
    monkeypatch.setattr(tiles, "BAND_CELLS", 50)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("world_size", [1, 2, 5, 9])
@pytest.mark.parametrize("max_tiles", [64, 1 << 20])
def test_all_processes_together_train_on_every_cell_once(tmp_path, monkeypatch, world_size, max_tiles):
    monkeypatch.setattr(tiles, "MAX_TILES", max(max_tiles, num_strata(world_size) ** 2))
    matrix = random_matrix()
    of_each = each_trained_on(snapshot_of(tmp_path / "s", stripes_of(matrix)), tmp_path / "c", world_size)
    found = sorted(cell for of_one in of_each for piece in of_one for cell in piece)
    assert len(found) == np.count_nonzero(matrix)
    expected = cells_in(matrix)
    assert [cell[:2] for cell in found] == [cell[:2] for cell in expected]
    np.testing.assert_allclose([cell[2] for cell in found], [cell[2] for cell in expected], atol=1e-6)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("world_size", [2, 3, 8])
def test_in_a_round_no_two_processes_have_a_row_or_a_column_in_common(tmp_path, world_size):
    of_each = each_trained_on(snapshot_of(tmp_path / "s", stripes_of(random_matrix())), tmp_path / "c", world_size)
    assert len({len(pieces) for pieces in of_each}) == 1
    for round_ in zip(*of_each, strict=True):
        for axis in (0, 1):
            ids = [{cell[axis] for cell in piece} for piece in round_]
            assert sum(map(len, ids)) == len(set.union(*ids))


@pytest.mark.usefixtures("small")
def test_rows_and_columns_of_a_round_are_those_that_are_then_exchanged(tmp_path):
    snapshot = snapshot_of(tmp_path / "s", stripes_of(random_matrix()))
    strata = Strata(VOCAB, 8)
    for rank in range(3):
        source = tiled(snapshot, tmp_path / "c", rank=rank, world_size=3)
        shares = [round_.shares[rank] for round_ in source.rounds(source.order(epoch=0, seed=1), 3)]
        for block in source.blocks(shares):
            owners = (strata.row_owners(3), strata.column_owners(block.piece.shift, 3))
            for cell in cells_of(block, strata):
                assert [owners[axis][cell[axis] % 8] for axis in (0, 1)] == [rank, rank]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (2, 3), (5, 4)])
def test_another_number_of_processes_trains_on_the_rest_of_an_epoch_once(tmp_path, before, after):
    snapshot = snapshot_of(tmp_path / "s", stripes_of(random_matrix()))
    source = tiled(snapshot, tmp_path / "c", world_size=before)
    rounds = source.rounds(source.order(epoch=0, seed=1), before)
    done = sum(round_.num_pieces for round_ in rounds[: len(rounds) // 2])
    assert done > 0
    first = [
        piece for of_one in each_trained_on(snapshot, tmp_path / "c", before) for piece in of_one[: len(rounds) // 2]
    ]
    rest = [piece for of_one in each_trained_on(snapshot, tmp_path / "c", after, done=done) for piece in of_one]
    assert sorted(cell for piece in first + rest for cell in piece) == sorted(
        cell for piece in trained_on(tiled(snapshot, tmp_path / "c")) for cell in piece
    )


@pytest.mark.parametrize("vocab_size", [3, 37, 40])
def test_each_token_has_a_place_in_its_stratum(vocab_size):
    strata = Strata(vocab_size, 8)
    assert sorted(strata.ids.tolist()) == list(range(vocab_size))
    np.testing.assert_array_equal(strata.of_places(np.arange(vocab_size)), strata.ids % 8)


@pytest.mark.parametrize(("world_size", "expected"), [(1, 1), (2, 2), (4, 4), (8, 8), (3, 8)])
def test_columns_move_as_seldom_as_there_are_processes_if_these_are_a_power_of_two(world_size, expected):
    strata = Strata(VOCAB, 8)
    order = strata.shifts(np.random.default_rng(3))
    assert sorted(order) == list(range(8))
    owners = [tuple(strata.column_owners(shift, world_size)) for shift in order]
    assert 1 + sum(one != other for one, other in pairwise(owners)) == expected


@pytest.mark.usefixtures("small")
def test_epochs_take_the_cells_in_different_orders_the_same_on_every_rank(tmp_path):
    snapshot = snapshot_of(tmp_path / "s", stripes_of(random_matrix()))
    one, two = (tiled(snapshot, tmp_path / "c", rank=rank, world_size=2) for rank in (0, 1))
    assert trained_on(one, world_size=2, epoch=0) != trained_on(one, world_size=2, epoch=1)
    sizes = [[piece.size for piece in source.order(epoch=3, seed=1)] for source in (one, two)]
    assert sizes[0] == sizes[1]
    assert sum(sizes[0]) == one.size


@pytest.mark.usefixtures("small")
def test_the_cells_of_a_tile_are_shuffled_by_the_seed(tmp_path):
    snapshot = snapshot_of(tmp_path / "s", stripes_of(random_matrix()))
    first, same, other = (trained_on(tiled(snapshot, tmp_path / "c", seed=seed)) for seed in (1, 1, 2))
    assert first == same != other
    of_a_tile = [cell[:2] for piece in first for cell in piece if cell[0] < 8 and cell[1] < 8]
    assert of_a_tile != sorted(of_a_tile)


def test_bands_and_pieces_do_not_change_the_file(tmp_path, monkeypatch):
    snapshot = snapshot_of(tmp_path / "s", stripes_of(random_matrix()))
    monkeypatch.setattr(tiles, "SIDE_BITS", 3)
    whole = trained_on(tiled(snapshot, tmp_path / "c"))
    monkeypatch.setattr(tiles, "BAND_CELLS", 7)
    assert trained_on(tiled(snapshot, tmp_path / "c")) == whole


def test_bands_are_as_large_as_they_may_be_or_one_tile():
    starts = np.array([0, 3, 6, 30, 31, 31, 35])
    assert cut_into_bands(starts, 10) == [(0, 2), (2, 3), (3, 6)]
    assert cut_into_bands(np.array([0]), 10) == []


def test_the_file_is_gone_with_the_process(tmp_path):
    source = tiled(snapshot_of(tmp_path / "s", stripes_of(random_matrix())), tmp_path / "c")
    assert list((tmp_path / "c").iterdir()) == []
    assert source.size > 0


def test_tiles_grow_until_there_are_no_more_than_a_million():
    assert tiles.Grid(Strata(50_000, 1)).shift == tiles.SIDE_BITS
    huge = tiles.Grid(Strata(20_000_000, 1))
    assert huge.side_tiles**2 <= 1 << 20
    assert huge.shift <= 16, "places within a tile have 16 bits"


@pytest.mark.parametrize(("vocab_size", "number"), [(100_000_000, 1), (10, 1025)])
def test_more_tiles_than_can_be_are_refused(vocab_size, number):
    with pytest.raises(ConfigError, match=r"start at most 1,024 processes, or lower vocabulary\.max_size"):
        tiles.Grid(Strata(vocab_size, number)).side_tiles  # noqa: B018 - what it raises is the matter


def test_left_and_right_windows_may_be_asymmetric(tmp_path):
    snapshot = snapshot_of(tmp_path / "s", [(0, [1], [2.0])], context="right")
    assert trained_on(tiled(snapshot, tmp_path / "c")) == [[(0, 1, pytest.approx(math.log(2)))]]


def test_an_empty_table_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="the table 'cooccurrence' is empty"):
        tiled(snapshot_of(tmp_path / "s", []), tmp_path / "c").check(1)


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SetupError, match=r"cannot write .* GB of co-occurrences .* set train.checkpoint to a folder"):
        tiled(snapshot_of(tmp_path / "s", stripes_of(random_matrix())), tmp_path / "file" / "c")

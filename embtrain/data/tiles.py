"""Co-occurrence cells in random order, however many there are: sorted once into tiles, which are shuffled.

The matrix is cut into tiles whose rows and columns fit into a processor's cache. Two passes over the table sort its
cells by tile into a file of 8 bytes a cell, mapped into memory; cells of a tile stand there in a random order, and
each epoch takes the tiles in another (docs/decisions/0009).

Several processes train as Gemulla et al. (2011) propose: rows and columns are dealt out to strata, and a diagonal
pairs each stratum of rows with another one of columns. A process has some strata of rows, always the same, and of a
diagonal what belongs to them. So nothing that one process changes is read or changed by another, and each needs
only its rows' tiles. The strata are more than the processes, and an epoch is the same sequence of
diagonals whatever their number: a run goes on with another one (docs/decisions/0015).
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isqrt
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from embtrain.data.source import Round
from embtrain.data.strata import Strata, num_strata
from embtrain.data.stripes import StripeTable
from embtrain.distributed import Group
from embtrain.errors import ConfigError, CorpusError, SetupError
from embtrain.kernels.tiling import count_cells, place_cells, shuffle_tiles
from embtrain.manifest import Snapshot

SIDE_BITS = 9
"""A tile of 512 x 512: both sets of rows, of dimension 100, fit into a second-level cache of 1 MB."""

PLACE_BITS = 16
"""A place within a tile has so many bits; no tile is larger."""

MAX_TILES = 1 << 20
"""Tiles are larger where there would be more: a tile must hold some hundred cells to be worth going to."""

SEGMENT_CELLS = 1 << 16
"""Larger tiles are trained on in segments of so many cells, so that threads have something to share."""

PIECE_CELLS = 1 << 24
"""Cells of a process between two merges, and two chances to save a checkpoint: half a second of training."""

BAND_CELLS = 1 << 27
"""Cells sorted in one pass over the table, in 1 GB of memory."""

SPARE_CELLS = 16
"""Beyond the last cell, since kernels read 16 at a time."""


@dataclass(frozen=True)
class CellPiece:
    """Segments of tiles of one diagonal: a part of it, or what one process trains on, in this order."""

    segments: npt.NDArray[np.int64]
    """As :func:`embtrain.kernels.glove.train_glove` takes them. Shape ``(N, 4)``."""
    shift: int
    """The diagonal: stratum i of the rows meets stratum i + shift of the columns."""

    @cached_property
    def size(self) -> int:
        """Return the number of cells."""
        return int((self.segments[:, 1] - self.segments[:, 0]).sum())


@dataclass(frozen=True)
class CellBlock:
    """A piece with the cells that its segments are of."""

    piece: CellPiece
    places: npt.NDArray[np.uint32]
    log_counts: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Grid:
    """How the matrix is cut: into strata, and each stratum into tiles."""

    strata: Strata

    @cached_property
    def shift(self) -> int:
        """Return log2 of a tile's side.

        Raises:
            ConfigError: if there are more tiles than can be, however large they are.
        """
        for shift in range(SIDE_BITS, PLACE_BITS + 1):
            if (self.strata.number * self._side_tiles(shift)) ** 2 <= MAX_TILES:
                return shift
        raise ConfigError(
            f"GloVe cannot divide the cells of {self.strata.vocab_size:,} tokens into {self.strata.number:,} strata of "
            f"{MAX_TILES:,} tiles; start at most {isqrt(MAX_TILES):,} processes, or lower vocabulary.max_size"
        )

    @property
    def side_tiles(self) -> int:
        """Return the number of tiles along one side of a stratum."""
        return self._side_tiles(self.shift)

    def _side_tiles(self, shift: int) -> int:
        stratum = -(-self.strata.vocab_size // self.strata.number)
        return -(-stratum // (1 << shift))

    def first_places(self, stratum: int) -> npt.NDArray[np.int64]:
        """Return the place of the first vector of each tile along a side of a stratum."""
        return np.arange(self.side_tiles) * (1 << self.shift) + int(self.strata.starts[stratum])


class TiledCells:
    """The cells of the ``cooccurrence`` table in tiles, in a temporary file that is gone with the process.

    Args:
        snapshot: holds the table.
        vocab_size: rows and columns must be below this; kernels use them as addresses.
        folder: where the file goes, on a disk with room for 8 bytes a cell.
        seed: decides the order in each tile.
        group: the processes; this one gets the tiles of its row stratum.

    Raises:
        SnapshotError: if the table is absent or damaged, does not belong to the vocabulary, or has a weight
            without logarithm.
        ConfigError: if the tiles would be too many.
        SetupError: if the file cannot be written.
    """

    unit = "cells"

    def __init__(self, snapshot: Snapshot, vocab_size: int, folder: Path, *, seed: int, group: Group) -> None:
        self._table, self._group = StripeTable(snapshot), group
        self._strata = Strata(vocab_size, num_strata(group.world_size))
        self._grid = Grid(self._strata)
        self._counts = self._count()
        self._row_owners = self._strata.row_owners(group.world_size)
        own = np.where((self._row_owners == group.rank)[:, None, None, None], self._counts, 0)
        self._starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(own)])
        self._places, self._log_counts = self._sort(folder, seed)
        self._diagonals: dict[int, npt.NDArray[np.int64]] = {}

    @cached_property
    def size(self) -> int:
        """Return the number of cells of the table."""
        return int(self._counts.sum())

    def check(self, world_size: int) -> None:
        """Refuse a table without cells.

        Raises:
            CorpusError: if there is none.
        """
        if not self.size:
            raise CorpusError("the table 'cooccurrence' is empty: no two words of the vocabulary share a window")
        assert world_size == self._group.world_size

    def order(self, *, epoch: int, seed: int) -> Sequence[CellPiece]:
        """Return this epoch's diagonals, larger ones in parts: the same for any number of processes."""
        random = np.random.default_rng([seed, epoch])
        return [piece for shift in self._strata.shifts(random) for piece in self._parts(shift, random)]

    def rounds(self, pieces: Sequence[CellPiece], world_size: int) -> list[Round[CellPiece]]:
        """Join pieces for which each process has the same columns, as long as it gets no more than PIECE_CELLS."""
        rounds: list[Round[CellPiece]] = []
        joined: list[CellPiece] = []
        for piece in pieces:
            cells = sum(part.size for part in [*joined, piece])
            if joined and (cells > PIECE_CELLS * world_size or not self._same_columns(joined[0], piece)):
                rounds.append(self._round(joined))
                joined = []
            joined.append(piece)
        return [*rounds, self._round(joined)] if joined else rounds

    def blocks(self, pieces: Sequence[CellPiece]) -> Iterator[CellBlock]:
        """Return this process's pieces with their cells, which are read from the disk where memory has them not."""
        for piece in pieces:
            yield CellBlock(piece, self._places, self._log_counts)

    def _count(self) -> npt.NDArray[np.int64]:
        """Check the table and count the cells of each tile. Shape: strata, strata, tiles of a side, tiles of a side."""
        grid, strata = self._grid, self._strata
        counts = np.zeros((strata.number, strata.number, grid.side_tiles, grid.side_tiles), np.int64)
        for rows, offsets, columns, _ in self._table.read_checked(strata.vocab_size):
            count_cells(rows, offsets, columns, strata.number, grid.side_tiles, grid.shift, counts.reshape(-1))
        return counts

    def _sort(self, folder: Path, seed: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32]]:
        """Write the cells of this process's tiles to a file, band by band; return both of its halves."""
        starts = self._starts
        room = int(starts[-1]) + SPARE_CELLS
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                for first, last in cut_into_bands(starts, BAND_CELLS):
                    places, log_counts = self._sort_band(first, last, seed)
                    _write(file, places, starts[first] * 4)
                    _write(file, log_counts, (room + starts[first]) * 4)
                file.truncate(2 * room * 4)
                file.flush()
                cells = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint32)
        except OSError as error:
            raise SetupError(
                f"cannot write {2 * room * 4 / 1e9:.1f} GB of co-occurrences to {folder}: {error}; "
                "set train.checkpoint to a folder with room"
            ) from None
        return cells[:room], cells[room:].view(np.float32)

    def _sort_band(self, first: int, last: int, seed: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32]]:
        """Return the cells of the tiles from ``first`` to ``last - 1`` that are this process's, shuffled in each."""
        grid, starts = self._grid, self._starts[first : last + 1] - self._starts[first]
        places, weights = np.empty(starts[-1], np.uint32), np.empty(starts[-1], np.float32)
        row_stratum = np.arange(first, last) // (self._strata.number * grid.side_tiles**2)
        cursors = np.where(self._row_owners[row_stratum] == self._group.rank, starts[:-1], -1)
        for stripes in self._table.read():
            place_cells(
                *stripes, self._strata.number, grid.side_tiles, grid.shift, (first, last), cursors, places, weights
            )
        shuffle_tiles(starts, places, weights, np.uint64((seed * 0x9E3779B97F4A7C15 + first) % 2**64))
        return places, np.log(weights, out=weights)

    def _parts(self, shift: int, random: np.random.Generator) -> list[CellPiece]:
        """Return the segments of a diagonal, shuffled and cut into parts of like size."""
        segments = self._diagonal(shift)
        segments = segments[random.permutation(len(segments))]
        cells = np.cumsum(segments[:, 1] - segments[:, 0])
        total = int(cells[-1]) if cells.size else 0
        parts = -(-total // PIECE_CELLS)
        edges = np.searchsorted(cells, np.arange(1, parts) * total // max(1, parts))
        return [CellPiece(part, shift) for part in np.split(segments, edges)] if parts else []

    def _diagonal(self, shift: int) -> npt.NDArray[np.int64]:
        """Return the segments of a diagonal, in the order of the file; they are kept, as each epoch asks for them."""
        if shift not in self._diagonals:
            strata = range(self._strata.number)
            parts = [self._segments(row, (row + shift) % len(strata)) for row in strata]
            self._diagonals[shift] = np.concatenate(parts)
        return self._diagonals[shift]

    def _segments(self, row_stratum: int, column_stratum: int) -> npt.NDArray[np.int64]:
        """Return the segments of the tiles of a stratum of rows and one of columns."""
        side = self._grid.side_tiles
        tiles = self._counts[row_stratum, column_stratum].reshape(-1)
        start = self._starts[(row_stratum * self._strata.number + column_stratum) * side**2]
        num_segments = -(-tiles // SEGMENT_CELLS)
        tile = np.repeat(np.arange(tiles.size), num_segments)
        within = np.arange(tile.size) - np.repeat(np.cumsum(num_segments) - num_segments, num_segments)
        ends = start + np.cumsum(tiles)
        first = (ends - tiles)[tile] + within * SEGMENT_CELLS
        last = np.minimum(first + SEGMENT_CELLS, ends[tile])
        row, column = np.divmod(tile, side)
        rows, columns = self._grid.first_places(row_stratum)[row], self._grid.first_places(column_stratum)[column]
        return np.stack([first, last, rows, columns], axis=1)

    def _same_columns(self, one: CellPiece, other: CellPiece) -> bool:
        """Tell whether each process trains the same columns in both."""
        owners = [self._strata.column_owners(piece.shift, self._group.world_size) for piece in (one, other)]
        return bool((owners[0] == owners[1]).all())

    def _round(self, pieces: Sequence[CellPiece]) -> Round[CellPiece]:
        """Share out the segments of pieces by the strata of their rows."""
        segments = np.concatenate([piece.segments for piece in pieces])
        owners = self._row_owners[self._strata.of_places(segments[:, 2])]
        shares = [CellPiece(segments[owners == rank], pieces[0].shift) for rank in range(self._group.world_size)]
        return Round(shares, len(pieces))


def cut_into_bands(starts: npt.NDArray[np.int64], cells: int) -> list[tuple[int, int]]:
    """Cut tiles into bands of at most so many cells, or one tile; band (a, b) is tiles a to b - 1."""
    bands, first = [], 0
    while first < starts.size - 1:
        last = int(np.searchsorted(starts, starts[first] + cells, side="right")) - 1
        last = max(first + 1, last)
        bands.append((first, last))
        first = last
    return bands


def _write(file: IO[bytes], values: npt.NDArray[np.uint32] | npt.NDArray[np.float32], at: int) -> None:
    file.seek(at)
    file.write(values.data)

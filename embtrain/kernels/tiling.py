"""Stripes of co-occurrence into tiles: a counting sort, and a shuffle inside each tile.

Rows and columns are dealt out to ``num_strata`` strata in turn, id i to stratum i modulo their number, so that each
has as many frequent words as the others. The i-th id of a stratum has the place i in it, and ``1 << shift`` places make
the side of a tile. Tiles are numbered by the row's stratum, the column's, the tile's row, its column.
"""

from __future__ import annotations

import numpy as np
from numba import uint64

from embtrain.kernels.compilation import inlined, kernel
from embtrain.kernels.sampling import below, next_random, start_random


@inlined
def first_tile(row, num_strata, side_tiles, shift):
    """Return the number of the first tile in the row's band of tiles: column stratum 0, tile column 0."""
    return (row % num_strata * num_strata * side_tiles + (row // num_strata >> shift)) * side_tiles


@kernel
def count_cells(rows, offsets, columns, num_strata, side_tiles, shift, counts):
    """Add the cells of some stripes to the counts of their tiles.

    Args:
        rows, offsets, columns: stripe i is row rows[i], and columns from offsets[i] to offsets[i + 1], and found
            right by :func:`embtrain.kernels.stripes.find_fault`. int32, int64, int32.
        num_strata, side_tiles, shift: strata, tiles along one side of a stratum, log2 of a tile's side.
        counts: cells of each tile. int64; added to.
    """
    for stripe in range(rows.size):
        base = first_tile(np.int64(rows[stripe]), num_strata, side_tiles, shift)
        for cell in range(offsets[stripe], offsets[stripe + 1]):
            column = np.int64(columns[cell])
            stratum, place = column % num_strata, column // num_strata
            counts[base + stratum * side_tiles * side_tiles + (place >> shift)] += 1


@kernel
def place_cells(rows, offsets, columns, weights, num_strata, side_tiles, shift, tiles, cursors, places, sorted_weights):
    """Write the cells of some stripes that belong to a range of tiles behind those written there before.

    Args:
        rows, offsets, columns, num_strata, side_tiles, shift: as for :func:`count_cells`.
        weights: of the cells. float32.
        tiles: the range: the first tile's number, and the one after the last.
        cursors: where the next cell of each tile of the range goes; -1 for a tile that is left out. int64; written.
        places: of each cell, the place of its column in the tile times 65536, plus that of its row. uint32; written.
        sorted_weights: float32; written.
    """
    first, last = tiles
    mask = np.int64((1 << shift) - 1)
    for stripe in range(rows.size):
        row = np.int64(rows[stripe])
        base = first_tile(row, num_strata, side_tiles, shift)
        if base >= last or base + (num_strata - 1) * side_tiles * side_tiles + side_tiles <= first:
            continue
        row_place = row // num_strata & mask
        for cell in range(offsets[stripe], offsets[stripe + 1]):
            column = np.int64(columns[cell])
            stratum, place = column % num_strata, column // num_strata
            tile = base + stratum * side_tiles * side_tiles + (place >> shift)
            if tile < first or tile >= last:
                continue
            position = cursors[tile - first]
            if position < 0:
                continue
            cursors[tile - first] = position + 1
            places[position] = (place & mask) << 16 | row_place
            sorted_weights[position] = weights[cell]


@kernel
def shuffle_tiles(starts, places, weights, seed):
    """Put the cells of each tile into a random order (Durstenfeld, 1964).

    Args:
        starts: tile i is starts[i] to starts[i + 1]. Shape ``(N + 1,)``, int64.
        places, weights: of the cells; written.
        seed: uint64.
    """
    for tile in range(starts.size - 1):
        state = start_random(seed + uint64(tile))
        start = starts[tile]
        for i in range(starts[tile + 1] - start - 1, 0, -1):
            state = next_random(state)
            a, b = start + i, start + np.int64(below(state, i + 1))
            places[a], places[b] = places[b], places[a]
            weights[a], weights[b] = weights[b], weights[a]

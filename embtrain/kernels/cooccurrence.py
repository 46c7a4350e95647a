"""Counting which words stand near which: the text inverted, and one row of the matrix summed at a time.

A *chunk* is the text of many sequences, end to end, ``BREAK`` before, between and after them. Inverted, it says
for each word where it stands; so a row is summed by going from place to place, into one dense array of sums, without
a hash table and without sorting pairs. What a chunk gives of a row, a *stripe*, is written as bytes: for each cell,
ascending by column, the distance from the column before and the sum, as varints. Stripes of one row are added up by
:func:`merge_stripes`.

Sums are whole numbers (:func:`distance_weights`), so that they do not depend on how the text was cut into chunks, nor
on the order in which stripes are added up. They stay exact up to 2**63: with 1/distance weights, for words that meet
3.4e10 times as neighbours.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from embtrain.kernels.compilation import inlined, kernel
from embtrain.kernels.row_sums import add, take_columns
from embtrain.kernels.varint import LONGEST, put_varint, take_varint

BREAK = -1
"""What stands between sequences: windows end there."""

NO_ROW = -1
"""A stripe of this row, without cells, ends a stream of stripes."""

CELL_BYTES = 2 * LONGEST
"""What a cell of a stripe takes at most."""

_FINEST = 2**28


def distance_weights(window: int, *, harmonic: bool) -> np.ndarray:
    """Return what one meeting at each distance weighs, as whole numbers; ``[1]`` is the unit.

    Harmonic weights, 1/distance, are exact where a common denominator below 2**28 exists, which is so up to
    window 22; beyond, they are within distance / 2**29 of it, relatively.

    Args:
        window: the largest distance.
        harmonic: 1/distance, as Stanford's cooccur by default; else 1 at every distance.

    Returns:
        Int64, shape ``(window + 1,)``; ``[0]`` is 0.
    """
    if not harmonic:
        return np.minimum(np.arange(window + 1), 1)
    unit = min(math.lcm(*range(1, window + 1)), _FINEST)
    return np.array([0, *(round(unit / distance) for distance in range(1, window + 1))], np.int64)


@kernel
def lay_out(ids, offsets, sequence, chunk, filled):
    """Copy sequences to the end of a chunk, as many as fit, each followed by a break.

    Args:
        ids: int32, end to end; sequence i is ``ids[offsets[i]:offsets[i + 1]]``.
        offsets: int32, shape ``(S + 1,)``.
        sequence: the first one to copy.
        chunk: int32.
        filled: how much of it is filled, a break at the end.

    Returns:
        The first sequence that did not fit (S: all did), and how much is filled now.
    """
    while sequence < offsets.size - 1:
        first, last = offsets[sequence], offsets[sequence + 1]
        if filled + last - first + 1 > chunk.size:
            break
        for i in range(first, last):
            chunk[filled] = ids[i]
            filled += 1
        chunk[filled] = BREAK
        filled += 1
        sequence += 1
    return sequence, filled


@kernel
def invert(chunk, starts, positions):
    """List where each word stands: word w at ``positions[starts[w]:starts[w + 1]]``, ascending.

    Args:
        chunk: int32, shape ``(T,)``.
        starts: int64, shape ``(V + 2,)``; written.
        positions: int32, shape ``(T,)`` or more; written.
    """
    starts[:] = 0
    for token in chunk:
        if token != BREAK:
            starts[token + 2] += 1
    for i in range(2, starts.size):
        starts[i] += starts[i - 1]
    for position in range(chunk.size):
        token = chunk[position]
        if token != BREAK:
            # One place ahead of the word's own start, which so is right in the end.
            positions[starts[token + 1]] = position
            starts[token + 1] += 1


@inlined
def _sum_row(chunk, places, left, right, weights, row_sums):
    """Add up the neighbours of a word that stands at ``places``."""
    for position in places:
        for distance in range(1, left + 1):
            column = chunk[position - distance]
            if column == BREAK:
                break
            add(row_sums, column, weights[distance])
        for distance in range(1, right + 1):
            column = chunk[position + distance]
            if column == BREAK:
                break
            add(row_sums, column, weights[distance])


@inlined
def _write_stripe(columns, sums, cells, end):
    """Write the sums of ``columns`` as bytes, and set them to 0; return where the bytes end."""
    previous = np.int64(0)
    for i in range(columns.size):
        column = np.int64(columns[i])
        end = put_varint(cells, end, column - previous)
        end = put_varint(cells, end, sums[column])
        sums[column] = 0
        previous = column
    return end


@kernel
def count_rows(chunk, starts, positions, row, left, right, weights, row_sums, columns, rows, ends, cells):
    """Write the stripes of a chunk from ``row`` on, as many as fit.

    Args:
        chunk, starts, positions: the text, and as :func:`invert` leaves it.
        row: the first row.
        left, right: how many words on each side of a word are its neighbours.
        weights: :func:`distance_weights`.
        row_sums: zeros, before and after.
        columns: int32, shape ``(V,)``; scratch.
        rows, ends: int32, shape ``(V,)``: of each stripe written, its row and where its bytes end.
        cells: uint8; at least ``CELL_BYTES`` times as long as a row of this chunk.

    Returns:
        The first row that did not fit (V: all did), and the number of stripes.
    """
    count, end = 0, 0
    while row < columns.size:
        _sum_row(chunk, positions[starts[row] : starts[row + 1]], left, right, weights, row_sums)
        num_columns = take_columns(row_sums, columns, 0)
        if end + num_columns * CELL_BYTES > cells.size:
            row_sums.sums[columns[:num_columns]] = 0
            break
        if num_columns:
            end = _write_stripe(columns[:num_columns], row_sums.sums, cells, end)
            rows[count] = row
            ends[count] = end
            count += 1
        row += 1
    return row, count


class Rows(NamedTuple):
    """Finished rows: row i is ``rows[i]`` and has the cells from ``ends[i - 1]`` (0 for the first) to ``ends[i]``.

    Attributes:
        rows, ends, dropped: int32, shape ``(R,)``; ``dropped`` counts the cells that were too light.
        columns, weights: int32 and float32, shape ``(C,)``.
    """

    rows: np.ndarray
    ends: np.ndarray
    dropped: np.ndarray
    columns: np.ndarray
    weights: np.ndarray


@inlined
def _add_stripe(cells, first, last, row_sums):
    """Add a stripe's bytes to the sums; return how many columns are new."""
    column, num_new, at = np.int64(0), np.int64(0), np.int64(first)
    while at < last:
        step, at = take_varint(cells, at)
        weight, at = take_varint(cells, at)
        column += step
        num_new += add(row_sums, column, weight)
    return num_new


@inlined
def _write_cells(row_sums, unit, min_weight, out, first):
    """Write a row's cells from ``first`` on, and zero its sums; return where they end, and how many were dropped."""
    last = take_columns(row_sums, out.columns, first)
    end = first
    for i in range(first, last):
        column = out.columns[i]
        weight = row_sums.sums[column] / unit
        row_sums.sums[column] = 0
        if weight >= min_weight:
            out.columns[end] = column
            out.weights[end] = weight
            end += 1
    return end, last - end


@kernel
def merge_stripes(stripe_rows, offsets, cells, stripe, open_row, row_sums, unit, min_weight, out):
    """Add up stripes that come in runs of the same row, and write each row that is complete, as many as fit.

    A row is complete when the stripe of another follows; that of ``NO_ROW`` completes the last.

    Args:
        stripe_rows, offsets, cells: stripe i is of row ``stripe_rows[i]`` and has the bytes
            ``cells[offsets[i]:offsets[i + 1]]``.
        stripe: the first one to add.
        open_row: int64, shape ``(2,)``: the row that is not complete yet, or ``NO_ROW``, and its number of cells.
        row_sums: the sums of that row.
        unit: the whole number that is a weight of 1.
        min_weight: lighter cells are dropped.
        out: ``Rows``, written; as many cells as the vocabulary has words, or more.

    Returns:
        The first stripe that was not added, and the number of rows written.
    """
    count, end = 0, 0
    while stripe < stripe_rows.size:
        if stripe_rows[stripe] != open_row[0]:
            if open_row[0] != NO_ROW:
                if count == out.rows.size or end + open_row[1] > out.columns.size:
                    break
                end, out.dropped[count] = _write_cells(row_sums, unit, min_weight, out, end)
                out.rows[count] = open_row[0]
                out.ends[count] = end
                count += 1
            open_row[0], open_row[1] = stripe_rows[stripe], 0
        open_row[1] += _add_stripe(cells, offsets[stripe], offsets[stripe + 1], row_sums)
        stripe += 1
    return stripe, count

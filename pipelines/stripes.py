"""From Arrow batches to the kernels that count co-occurrences and back, in bounded memory; without Spark."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from embtrain.config import CooccurrenceSettings
from embtrain.kernels.cooccurrence import (
    BREAK,
    CELL_BYTES,
    NO_ROW,
    Rows,
    count_rows,
    distance_weights,
    invert,
    lay_out,
    merge_stripes,
)
from embtrain.kernels.row_sums import zero_row

Batches = Iterator[pa.RecordBatch]
Ints = npt.NDArray[np.int32]

# What a task holds at once: so many tokens of text, bytes of stripes, and cells and rows of the table.
CHUNK_TOKENS = 2_000_000
STRIPE_BYTES = 8 << 20
BATCH_CELLS = 1_000_000
BATCH_ROWS = 10_000


def count_stripes(sequences: Batches, settings: CooccurrenceSettings, vocab_size: int) -> Batches:
    """Count chunk by chunk, each row of each chunk on its own.

    Args:
        sequences: lists of ids.
        settings: which neighbours count, and how much.
        vocab_size: ids are below it.

    Yields:
        ``row INT, cells BINARY``: stripes, as ``embtrain.kernels.cooccurrence`` writes them; several of a row.
    """
    window = settings.window
    left = 0 if settings.context == "right" else window
    right = 0 if settings.context == "left" else window
    weights = distance_weights(window, harmonic=settings.weighting == "harmonic")
    row_sums, columns = zero_row(vocab_size), np.empty(vocab_size, np.int32)
    starts = np.empty(vocab_size + 2, np.int64)
    for chunk in _chunks(sequences):
        positions = np.empty(chunk.size, np.int32)
        invert(chunk, starts, positions)
        longest_row = min(vocab_size, (left + right) * int(np.diff(starts).max()))
        row = 0
        while row < vocab_size:
            cells = np.empty(max(STRIPE_BYTES, longest_row * CELL_BYTES), np.uint8)
            rows, ends = np.empty(vocab_size - row, np.int32), np.empty(vocab_size - row, np.int32)
            row, count = count_rows(
                chunk, starts, positions, row, left, right, weights, row_sums, columns, rows, ends, cells
            )
            yield _stripes(rows[:count], ends[:count], cells)


def _chunks(sequences: Batches) -> Iterator[Ints]:
    """Yield the text in chunks of at most ``CHUNK_TOKENS``, or of one sequence that is longer. Each is overwritten."""
    chunk, filled = np.full(CHUNK_TOKENS, BREAK, np.int32), 1
    for batch in sequences:
        lists = batch.column(0)
        ids, offsets = lists.values.to_numpy(), lists.offsets.to_numpy()
        sequence, filled = lay_out(ids, offsets, 0, chunk, filled)
        while sequence < len(lists):
            if filled > 1:
                yield chunk[:filled]
            else:
                chunk = np.full(offsets[sequence + 1] - offsets[sequence] + 2, BREAK, np.int32)
            sequence, filled = lay_out(ids, offsets, sequence, chunk, 1)
    if filled > 1:
        yield chunk[:filled]


def _stripes(rows: Ints, ends: Ints, cells: npt.NDArray[np.uint8]) -> pa.RecordBatch:
    offsets = np.concatenate([np.zeros(1, np.int32), ends])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(cells)]
    binary = pa.Array.from_buffers(pa.binary(), len(rows), buffers)
    return pa.record_batch({"row": pa.array(rows), "cells": binary})


def merge_rows(stripes: Batches, settings: CooccurrenceSettings, vocab_size: int) -> Batches:
    """Add up the stripes of each row.

    Args:
        stripes: as :func:`count_stripes` yields them, those of a row one after the other.
        settings: as they were counted by.
        vocab_size: likewise.

    Yields:
        ``row INT, columns ARRAY<INT>, weights ARRAY<FLOAT>, dropped INT``: each row once, in the order of its
        stripes; ``dropped`` cells weigh less than ``settings.min_weight``.
    """
    unit = float(distance_weights(settings.window, harmonic=settings.weighting == "harmonic")[1])
    row_sums, open_row = zero_row(vocab_size), np.array([NO_ROW, 0], np.int64)
    for batch in _completed(stripes):
        rows, stripe = batch.column(0).to_numpy(), 0
        offsets, cells = _binary_buffers(batch.column(1))
        while stripe < len(rows):
            merged = _empty_rows(vocab_size)
            stripe, count = merge_stripes(
                rows, offsets, cells, stripe, open_row, row_sums, unit, float(settings.min_weight), merged
            )
            if count:
                yield _merged(merged, count)


def _completed(stripes: Batches) -> Batches:
    """Add a stripe that completes the last row."""
    yield from stripes
    yield pa.record_batch({"row": pa.array([NO_ROW], pa.int32()), "cells": pa.array([b""])})


def _binary_buffers(array: pa.BinaryArray) -> tuple[Ints, npt.NDArray[np.uint8]]:
    """Return the offsets, one more than there are items, and the bytes of all items."""
    _, offsets, data = array.buffers()
    first, last = array.offset, array.offset + len(array) + 1
    return np.frombuffer(offsets, np.int32)[first:last], np.frombuffer(data or b"", np.uint8)


def _empty_rows(vocab_size: int) -> Rows:
    num_cells = max(BATCH_CELLS, vocab_size)
    rows, ends, dropped = np.empty((3, BATCH_ROWS), np.int32)
    return Rows(rows, ends, dropped, np.empty(num_cells, np.int32), np.empty(num_cells, np.float32))


def _merged(merged: Rows, count: int) -> pa.RecordBatch:
    offsets = pa.array(np.concatenate([np.zeros(1, np.int32), merged.ends[:count]]))
    num_cells = merged.ends[count - 1]
    return pa.record_batch(
        {
            "row": pa.array(merged.rows[:count]),
            "columns": pa.ListArray.from_arrays(offsets, pa.array(merged.columns[:num_cells])),
            "weights": pa.ListArray.from_arrays(offsets, pa.array(merged.weights[:num_cells])),
            "dropped": pa.array(merged.dropped[:count]),
        }
    )

"""The positions of a text that windows are open on, each as the sum of its word's rows: its own and its n-grams'.

A word of six letters has 18 n-grams, and a position is in some ten windows. So its rows are added up once, when it
enters the first window, and what it has learnt is added to them once, when it leaves the last. In between the
windows see only its sum, which they change as if it were a row. n-grams that positions near each other share learn from
each a little later than they would otherwise.

Positions p and p + 2 * window + 1 are never open together, and have the same slot.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from embtrain.kernels.compilation import inlined
from embtrain.kernels.rows import add_to_rows, prefetch, sum_rows
from embtrain.kernels.scratch import STEP, Scratch, aligned_rows


class Parts(NamedTuple):
    """Which input rows make up each word; a tuple, since numba passes that to kernels at no cost."""

    offsets: npt.NDArray[np.int64]
    """Those of word i are rows[offsets[i]:offsets[i + 1]]. Shape ``(V + 1,)``."""
    rows: npt.NDArray[np.int32]
    """At least one a word; a row may be there twice. Shape ``(P,)``."""

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Return the number of rows of each word. Shape ``(V,)``."""
        return np.diff(self.offsets)


class SubwordScratch(NamedTuple):
    """Memory of one thread."""

    windows: Scratch
    sums: npt.NDArray[np.float32]
    """Of each slot. Shape ``(2 * window + 1, S)``."""
    before: npt.NDArray[np.float32]
    """Minus what they were when their positions entered, so that adding gives what they have learnt."""
    sizes: npt.NDArray[np.int64]
    """How many rows each slot is the sum of."""
    slots: npt.NDArray[np.int32]
    """Of each position of a sequence."""
    addresses: npt.NDArray[np.int64]
    """Of the rows of one word."""

    @classmethod
    def allocate(cls, *, dim: int, window: int, num_negatives: int, longest: int, most_parts: int) -> SubwordScratch:
        """Make what a thread needs for sequences of up to ``longest`` tokens, of up to ``most_parts`` rows each."""
        num_slots = 2 * window + 1
        return cls(
            windows=Scratch.allocate(dim=dim, window=window, num_negatives=num_negatives, longest=longest),
            sums=aligned_rows(num_slots, dim),
            before=aligned_rows(num_slots, dim),
            sizes=np.zeros(num_slots, np.int64),
            slots=(np.arange(longest) % num_slots).astype(np.int32),
            addresses=np.zeros(max(2, most_parts), np.int64),
        )


@inlined
def lay_parts(word, parts, rows_in, row_bytes, addresses):
    """Write the addresses of a word's rows; return how many."""
    first = parts.offsets[word]
    count = parts.offsets[word + 1] - first
    for k in range(count):
        addresses[k] = rows_in + np.int64(parts.rows[first + k]) * row_bytes
    return count


@inlined
def prefetch_parts(kept, count, position, parts, rows_in, row_bytes, chunks):
    """Ask for the rows of a position, if there is such a one."""
    if position < count:
        word = kept[position]
        for k in range(parts.offsets[word], parts.offsets[word + 1]):
            prefetch(rows_in + np.int64(parts.rows[k]) * row_bytes, chunks)


@inlined
def enter(kept, position, parts, rows_in, row_bytes, chunks, averaged, scratch):
    """Add up the rows of a position; with ``averaged`` its sum is their mean."""
    slot = scratch.slots[position]
    count = lay_parts(kept[position], parts, rows_in, row_bytes, scratch.addresses)
    scratch.sizes[slot] = count
    total, addresses = scratch.sums[slot].ctypes.data, scratch.addresses.ctypes.data
    sum_rows(total, addresses, count, np.float32(1) / np.float32(count if averaged else 1), chunks)
    scratch.addresses[0] = total
    sum_rows(scratch.before[slot].ctypes.data, addresses, np.int64(1), np.float32(-1), chunks)


@inlined
def leave(kept, position, parts, rows_in, row_bytes, chunks, averaged, scratch):
    """Add what a position has learnt to each of its rows.

    A step of the mean goes to each row whole, as in fastText's Model::update: the mean then moves by that step, and
    each row by more than its share. A sum has moved by the steps of all its rows.
    """
    slot = scratch.slots[position]
    size = scratch.sizes[slot]
    addresses, step = scratch.addresses.ctypes.data, scratch.windows.rows[STEP].ctypes.data
    scratch.addresses[0] = scratch.sums[slot].ctypes.data
    scratch.addresses[1] = scratch.before[slot].ctypes.data
    sum_rows(step, addresses, np.int64(2), np.float32(1) / np.float32(1 if averaged else size), chunks)
    count = lay_parts(kept[position], parts, rows_in, row_bytes, scratch.addresses)
    add_to_rows(step, addresses, count, np.float32(1), chunks)

"""Columns of GloVe's rows that CPU threads compute with: each has some of its own, as each process of all."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from embtrain.columns import Columns
from embtrain.config import GloveSettings
from embtrain.kernels.column_glove import Cells, score_cells, take_errors, update_cells
from embtrain.kernels.lanes import LANES
from embtrain.kernels.scratch import aligned_rows
from embtrain.models.glove_rows import Rows
from embtrain.models.threads import on_each, share_out

Slice = tuple[int, int]
"""The first chunk of 16 columns that a thread computes with, and how many it has."""


class ThreadedGloveColumns:
    """The columns of one process, cut among threads; see :class:`embtrain.models.column_glove.CellCompute`.

    Args:
        settings: of the model.
        rows: of words and of contexts at the start. Shape ``(V, 2 S)``, S the number of columns rounded up to 16.
        columns: those of this process.
        threads: that compute at the same time, at most one for each 16 columns.
    """

    def __init__(self, settings: GloveSettings, rows: tuple[Rows, Rows], columns: Columns, *, threads: int) -> None:
        self._group, self._rows = columns.group, rows
        self._settings = (np.float32(math.log(settings.x_max)), np.float32(settings.exponent))
        self._factors = aligned_rows(1, LANES)[0]
        halves = (matrix.reshape(len(matrix), 2, -1)[..., : len(columns)] for matrix in rows)
        self._state = dict(zip(("words", "contexts"), halves, strict=True))
        self._slices = share_out(rows[0].shape[1] // 2, threads)
        self._pool = ThreadPoolExecutor(len(self._slices), thread_name_prefix="train")

    def run(self, cells: Cells, rate: float) -> tuple[float, int]:
        """Go through a span batch by batch; see :class:`embtrain.models.column_glove.CellCompute`."""
        cost, bad = 0.0, -1
        for begin, end in pairwise(cells.batches.tolist()):
            errors = self._scores(cells, begin, end)
            of_batch, bad = take_errors(errors, cells, begin, *self._settings, self._factors)
            cost += of_batch
            if bad >= 0:
                break
            if rate:
                self._move(cells, begin, end, errors, np.float32(rate))
        return cost, int(bad)

    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the columns of both matrices, numbers and sums. Shape ``(V, 2, C)``."""
        return dict(self._state)

    def load_state(self, state: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Copy them in."""
        for name, rows in self._state.items():
            rows[:] = state[name]

    def _scores(self, cells: Cells, begin: int, end: int) -> npt.NDArray[np.float32]:
        """Return a batch's scalar products over the columns of all threads and processes."""
        parts = np.empty((len(self._slices), end - begin), np.float32)

        def score(number: int, own: Slice) -> None:
            score_cells(*self._rows, own, cells, begin, end, parts[number])

        self._on_each(score)
        return self._group.sum(parts.sum(axis=0))

    def _move(self, cells: Cells, begin: int, end: int, errors: npt.NDArray[np.float32], rate: np.float32) -> None:
        """Move the columns of all threads."""

        def move(_: int, own: Slice) -> None:
            update_cells(*self._rows, own, cells, begin, end, errors, rate)

        self._on_each(move)

    def _on_each(self, work: Callable[[int, Slice], None]) -> None:
        """Call ``work`` for each thread's columns, by their number."""
        on_each(self._pool, lambda numbered: work(*numbered), list(enumerate(self._slices)))

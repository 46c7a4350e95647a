"""Columns of GloVe's rows on a GPU: the two halves of a step as torch computes them.

The equations are those of :mod:`embtrain.kernels.column_glove`, where rows move cell after cell. Here all steps of a
batch are taken from the rows as the batch found them. As in the tiles of :mod:`embtrain.kernels.gpu.glove`, the
squares of all its gradients are in the sums that each of them is divided by the root of: gradients of a row that is new
agree with each other, and their sum alone would go too far (docs/decisions/0013).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from embtrain.columns import Columns
from embtrain.config import GloveSettings
from embtrain.kernels.column_glove import Cells
from embtrain.kernels.glove import CLIP
from embtrain.models.glove_rows import Rows


class DeviceGloveColumns:
    """The columns of one process on a device; see :class:`embtrain.models.column_glove.CellCompute`.

    On a GPU sums may differ in the last digits from run to run: they are added up in no order.

    Args:
        settings: of the model.
        rows: of words and of contexts at the start; copied. Shape ``(V, 2 S)``, S at least the number of columns.
        columns: those of this process.
        device: of the rows.
    """

    def __init__(self, settings: GloveSettings, rows: tuple[Rows, Rows], columns: Columns, *, device: str) -> None:
        self._settings, self._group, self._device = settings, columns.group, torch.device(device)
        # Numbers and sums, apart: half of a step needs the numbers alone. Shape (2, V, C).
        self._words, self._contexts = (
            torch.tensor(matrix.reshape(len(matrix), 2, -1)[..., : len(columns)].swapaxes(0, 1), device=self._device)
            for matrix in rows
        )

    @torch.no_grad()
    def run(self, cells: Cells, rate: float) -> tuple[float, int]:
        """Go through a span batch by batch; see :class:`embtrain.models.column_glove.CellCompute`.

        The device is waited for at the end of the span. Past a cell whose error is not finite rows are worth nothing.
        """
        num_cells = len(cells.words)
        words, contexts, log_counts = map(self._put, (cells.words, cells.contexts, cells.log_counts[:num_cells]))
        weights = self._weights(log_counts)
        diffs = torch.empty_like(log_counts)
        for begin, end in pairwise(cells.batches.tolist()):
            batch = slice(begin, end)
            word_rows, context_rows = self._words[0][words[batch]], self._contexts[0][contexts[batch]]
            scores = (word_rows * context_rows).sum(dim=1)
            self._group.begin_sum(scores)()
            diffs[batch] = scores - log_counts[batch]
            if rate:
                errors = (weights[batch] * diffs[batch])[:, None]
                _step(self._words, words[batch], errors * context_rows, rate)
                _step(self._contexts, contexts[batch], errors * word_rows, rate)
        errors = weights * diffs
        bad = errors.isfinite().logical_not()
        if bad.any():
            return math.nan, int(bad.int().argmax())
        return float((errors.double() * diffs).sum()) / 2, -1

    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the columns of both matrices, numbers and sums, copies of them. Shape ``(V, 2, C)``."""
        return {
            name: rows.to("cpu", copy=True).numpy().swapaxes(0, 1)
            for name, rows in (("words", self._words), ("contexts", self._contexts))
        }

    def load_state(self, state: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Copy them in."""
        self._words.copy_(torch.from_numpy(state["words"].swapaxes(0, 1)))
        self._contexts.copy_(torch.from_numpy(state["contexts"].swapaxes(0, 1)))

    def _weights(self, log_counts: torch.Tensor) -> torch.Tensor:
        """Return f(x) of each cell."""
        below = (log_counts - math.log(self._settings.x_max)).clamp(max=0)
        return torch.exp(self._settings.exponent * below)

    def _put(self, array: npt.NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(array).to(self._device)


def _step(matrix: torch.Tensor, places: torch.Tensor, gradients: torch.Tensor, rate: float) -> None:
    """Take AdaGrad's step on some rows, any of which may be there several times.

    Args:
        matrix: numbers and sums. Shape ``(2, V, C)``.
        places: of the rows. Shape ``(B,)``.
        gradients: of the cost, without the rate. Shape ``(B, C)``.
        rate: the learning rate.
    """
    numbers, sums = matrix
    changes = rate * gradients.clamp(-CLIP, CLIP)
    sums.index_add_(0, places, changes.square())
    numbers.index_add_(0, places, changes * sums[places].rsqrt(), alpha=-1)

"""The arithmetic and the memory traffic of each kernel, counted on paper: what a roofline is drawn from.

FLOPs are those of the mathematics, a multiplication with an addition being two. Bytes are those of rows that come from
memory and go back there, once while they are in use: rows that are still in a cache from the window before, and what
registers and caches exchange, are left out (Williams et al., 2009).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from embtrain.config import CbowSettings, FastTextSettings, GloveSettings, SgnsSettings
from embtrain.data.tiles import SIDE_BITS
from embtrain.kernels.padding import padded
from embtrain.planning.shapes import FLOAT_BYTES

ShallowModel = SgnsSettings | CbowSettings | FastTextSettings | GloveSettings

READ_AND_WRITTEN = 2 * FLOAT_BYTES
"""Bytes of each number of a row that is changed."""

_PREDICTION = 6
"""FLOPs of a number of a row and of one target: the scalar product, and the steps of both."""

_ADAGRAD = 11
"""Of a number of a row of GloVe: its gradient, the bound, the root's estimate and its correction, the step, the sum."""

_CELL_BYTES = 8

_WORDS_PER_CELL = 0.107
"""Rows of words that change on a GPU for each cell of a tile of 32; docs/decisions/0014 has the measurement."""


class Ceilings(NamedTuple):
    """What a processor, or one thread of it, can do at most."""

    bytes_per_second: float
    """Read and written together."""
    flops_per_second: float


H200 = Ceilings(bytes_per_second=4.3e12, flops_per_second=300e12)
"""NVIDIA's: what of its 4.8 TB/s copies reach, and matrix products in tf32 by `mma.sync`, to which kernels compile:
some 60 % of the 495 TFLOP/s that `wgmma` does. Nothing of embtrain was measured on one."""


class Work(NamedTuple):
    """What one item costs: a word that subsampling has kept, or a cell."""

    flops: float
    bytes: float

    def seconds(self, ceilings: Ceilings) -> float:
        """Return the time that cannot be undercut: all arithmetic, or all traffic, at full speed."""
        return max(self.flops / ceilings.flops_per_second, self.bytes / ceilings.bytes_per_second)

    def bound(self, ceilings: Ceilings) -> str:
        """Name the ceiling that is nearer."""
        computed = self.flops / ceilings.flops_per_second > self.bytes / ceilings.bytes_per_second
        return "arithmetic" if computed else "memory"


def contexts_per_window(model: SgnsSettings | CbowSettings | FastTextSettings) -> float:
    """Return the mean number of words around a center, far from the ends of a sequence."""
    return model.window + 1 if model.dynamic_window else 2 * model.window


def work_per_item(model: ShallowModel, *, ngrams_per_word: float = 0, cells_per_tile: float = 1) -> Work:
    """Count what the kernels for CPUs do for one kept word, or for one cell.

    Args:
        model: skip-gram or CBOW with negative sampling, FastText, or GloVe.
        ngrams_per_word: for FastText, of the words of a text.
        cells_per_tile: for GloVe, which fetches the rows of a tile once.
    """
    if isinstance(model, GloveSettings):
        return _of_cell(model, cells_per_tile)
    targets = model.num_negatives + 1
    contexts, row = contexts_per_window(model), padded(model.dim)
    if isinstance(model, FastTextSettings):
        # A position's rows are added up as it enters, and changed as it leaves; no negative serves two windows.
        rows = 1 + ngrams_per_word
        predicting = contexts if model.architecture == "skipgram" else 1
        summed = 4 * rows + (0 if model.architecture == "skipgram" else 4 * contexts)
        return Work(row * (_PREDICTION * predicting * targets + summed), row * READ_AND_WRITTEN * (rows + targets))
    # One context row enters the window, the center's row, and half of the negatives: the others are from the last one.
    rows = 2 + (model.num_negatives + 1) // 2
    if isinstance(model, CbowSettings):
        return Work(row * (_PREDICTION * targets + 3 * contexts), row * READ_AND_WRITTEN * rows)
    return Work(row * _PREDICTION * contexts * targets, row * READ_AND_WRITTEN * rows)


def work_on_gpu(
    model: SgnsSettings | CbowSettings | FastTextSettings, *, centers: int, negatives: int, ngrams_per_word: float = 0
) -> Work:
    """Count what a tile of the kernels for GPUs does for one kept word.

    Args:
        model: skip-gram or CBOW with negative sampling, or FastText.
        centers: of a tile.
        negatives: that all centers of the tile share.
        ngrams_per_word: for FastText, of the words of a text.
    """
    row = padded(model.dim)
    near = centers + 2 * model.window
    contexts = 1 << (near - 1).bit_length()  # padded to what a product takes
    of_contexts, summed = float(near), 0.0
    if isinstance(model, FastTextSettings):
        # A word's rows are added up as the tile begins, and changed at its end.
        of_contexts *= 1 + ngrams_per_word
        summed = 4 * of_contexts
    products = contexts * (centers + negatives)
    if isinstance(model, CbowSettings) or (isinstance(model, FastTextSettings) and model.architecture == "cbow"):
        products = centers * (centers + negatives) + centers * contexts
    rows = centers + of_contexts + negatives
    return Work(row * (_PREDICTION * products + summed) / centers, row * READ_AND_WRITTEN * rows / centers)


def work_of_cell_on_gpu(model: GloveSettings, *, cells: int) -> Work:
    """Count what GloVe's kernel for GPUs does for one of the cells of a tile: each has a context of its own."""
    row = 4 * math.ceil((model.dim + 2) / 4)  # further columns are not touched
    # Cells of a word are added up, their gradients and the squares, by a product with a matrix, in three of tf32 each.
    summed = 2 * 3 * 2 * cells
    rows = 2 * (1 + _WORDS_PER_CELL)  # with their sums
    return Work(row * (2 + 2 * _ADAGRAD + summed), row * READ_AND_WRITTEN * rows + _CELL_BYTES)


def _of_cell(model: GloveSettings, cells_per_tile: float) -> Work:
    row = padded(model.dim + 2)
    rows_of_tile = min(2 * cells_per_tile, 2 << SIDE_BITS)
    traffic = 2 * row * READ_AND_WRITTEN * rows_of_tile / cells_per_tile
    return Work(row * (2 + 2 * _ADAGRAD), traffic + _CELL_BYTES)

"""What several processes send each other: how large a message is, and how many there are in an epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from embtrain.config import ElmoSettings, FastTextSettings, GloveSettings, SampledModel, Settings
from embtrain.data.strata import num_strata
from embtrain.data.tiles import PIECE_CELLS
from embtrain.kernels.column_layout import TILE
from embtrain.planning.elmo import num_gradients
from embtrain.planning.shapes import FLOAT_BYTES, HALF_BYTES, bytes_of, state_shapes
from embtrain.planning.sizes import Occurrence, Sizes

UNEVEN = 2
"""By how much more than its share of all cells a frequent row has of those that are dealt out to batches together: of a
few hundred tiles."""


@dataclass(frozen=True)
class Traffic:
    """Messages of one kind."""

    name: str
    message: float
    """Bytes that each process sends in one, and gets; in the mean."""
    per_epoch: float
    """Messages."""

    @property
    def bytes_per_epoch(self) -> float:
        """Return what each process has to send in an epoch: to one other, and up to twice as much in a ring of many."""
        return self.message * self.per_epoch


def estimate_traffic(
    settings: Settings, sizes: Sizes, occurrence: Occurrence, *, processes: int, threads: int, device: str = "cpu"
) -> list[Traffic]:
    """List what processes that train together send; nothing where one is alone, or makes a counting model.

    Args:
        settings: of the run.
        sizes: of its corpus.
        occurrence: of the words, after subsampling.
        processes: that train together.
        threads: of each.
        device: that each trains on.
    """
    model = settings.model
    if processes == 1:
        return []
    if isinstance(model, ElmoSettings):
        steps = (sizes.words + sizes.sequences) / (model.batch_size * model.unroll_steps * processes)
        return [Traffic("gradients", FLOAT_BYTES * num_gradients(model, sizes.vocabulary), steps)]
    if isinstance(model, GloveSettings):
        return [_of_glove(model, sizes, processes, by_columns=settings.train.parallel == "columns")]
    if not isinstance(model, SampledModel):
        return []
    if settings.train.parallel == "columns":
        return [_scores(model, sizes, occurrence.total)]
    shapes = state_shapes(model, sizes)
    words = settings.train.words_between_merges(threads, device)
    merged = {"input": _of_inputs(occurrence, sizes), "output": occurrence}
    changed = sum(shape[1] * rows_per_merge(merged[name], words) for name, shape in shapes.items())
    merges = sizes.words / (processes * words)
    return [
        Traffic("changes of rows whose turn it is", HALF_BYTES * changed, merges),
        Traffic("changes of all rows, at an epoch's end", bytes_of(shapes) / FLOAT_BYTES * HALF_BYTES, 1),
    ]


def rows_per_merge(occurrence: Occurrence, words: float) -> float:
    """Return how many rows take part in a merge, in the mean over many; see :func:`embtrain.replicas.turns`.

    Args:
        occurrence: of the rows.
        words: that each process trains on between two merges.
    """
    from embtrain.replicas import turns  # noqa: PLC0415 - loads torch, and one process sends nothing

    of_turn = turns(occurrence.of_row * words)
    return float(sum(occurrence.rows[rows].sum() / every for (every, _), rows in of_turn.items()))


def _of_glove(model: GloveSettings, sizes: Sizes, processes: int, *, by_columns: bool) -> Traffic:
    """Return what processes send that train GloVe: rows, or those that hold columns the scores of a batch of cells."""
    if by_columns:
        cells = batch_cells(model.learning_rate, sizes)
        return Traffic("scores of a batch of cells", FLOAT_BYTES * cells, sizes.cells / cells)
    rows = bytes_of(state_shapes(model, sizes))
    return Traffic("rows, from those that have trained them", rows, rounds(sizes.cells, processes))


def batch_cells(learning_rate: float, sizes: Sizes) -> float:
    """Return the cells of GloVe that are scored together, in the mean.

    The row that has most of them is that of the most frequent word, which stands near nearly all others.
    """
    from embtrain.models.column_glove import MOST_CELLS, MOST_RATE  # noqa: PLC0415 - loads numba

    of_a_row = UNEVEN * sizes.vocabulary / sizes.cells
    return min(MOST_CELLS, sizes.vocabulary, max(1.0, MOST_RATE / learning_rate / of_a_row))


def rounds(cells: float, processes: int) -> int:
    """Return the rounds of an epoch of GloVe, each with an exchange; see :class:`embtrain.data.tiles.TiledCells`.

    Diagonals for which each process has the same columns make one round, if that is not too large. If the number of
    processes divides that of strata, there are as many kinds of diagonals as processes; if not, each is its own kind.
    """
    strata = num_strata(processes)
    kinds = processes if strata % processes == 0 else strata
    return kinds * max(1, math.ceil(cells / kinds / (processes * PIECE_CELLS)))


def _scores(model: SampledModel, sizes: Sizes, kept_share: float) -> Traffic:
    """Return what processes send that hold columns: the scores of a batch of windows."""
    from embtrain.models.columns import batch_windows  # noqa: PLC0415 - loads numba

    windows = batch_windows(model, sizes.vocabulary)
    message = FLOAT_BYTES * windows * scores_per_window(model)
    return Traffic("scores of a batch of windows", message, sizes.words * kept_share / windows)


def scores_per_window(model: SampledModel) -> float:
    """Return the scalar products of a window where vectors are split by column, in the mean, far from ends.

    For CBOW those of the targets. For skip-gram those of the contexts, and of the words near any of the neighbouring
    windows that have their negatives in common: FastText's have them for themselves.
    """
    from embtrain.models.columns import has_means  # noqa: PLC0415 - loads numba

    if has_means(model):
        return 1 + model.num_negatives
    tile = 1 if isinstance(model, FastTextSettings) else TILE
    widths = np.arange(1, model.window + 1) if model.dynamic_window else np.array([model.window])
    # How far such windows reach beyond the first of them, to either side: less than r, if all their widths allow it.
    reaches = range(model.window)
    within = [np.prod([(widths <= reach + place).mean() for place in range(tile)]) for reach in reaches]
    # Centers are near each other: but not to themselves.
    near = (tile if tile > 1 else 0) + 2 * sum(1 - share for share in within)
    return float(2 * widths.mean() + near * model.num_negatives / tile)


def _of_inputs(occurrence: Occurrence, sizes: Sizes) -> Occurrence:
    """Return the occurrence of the input rows: those of n-grams too, as if they were all as frequent."""
    if not sizes.buckets:
        return occurrence
    ngrams = occurrence.total * sizes.ngrams / sizes.vocabulary / sizes.buckets
    return Occurrence(np.append(occurrence.of_row, ngrams), np.append(occurrence.rows, sizes.buckets))

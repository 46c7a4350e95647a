"""What several processes send each other: how large a message is, and how many there are in an epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from embtrain.config import ElmoSettings, FactorisedModel, FastTextSettings, GloveSettings, SampledModel, Settings
from embtrain.data.strata import num_strata
from embtrain.data.tiles import PIECE_CELLS
from embtrain.distributed import times_sent
from embtrain.kernels.column_layout import TILE
from embtrain.models.column_glove import MOST_CELLS, MOST_RATE
from embtrain.models.columns import batch_windows
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
    """Bytes that each process has to send in one, and gets; in the mean."""
    per_epoch: float
    """Messages."""
    times: float = 1.0
    """That each process sends a message's bytes: to all others, or in a ring of them."""

    @property
    def bytes_per_epoch(self) -> float:
        """Return what each process sends in an epoch."""
        return self.message * self.per_epoch * self.times


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
    model, by_columns = settings.model, settings.train.parallel == "columns"
    if processes == 1 or isinstance(model, FactorisedModel):
        return []
    if isinstance(model, GloveSettings) and not by_columns:
        rows = bytes_of(state_shapes(model, sizes))
        return [Traffic("rows, from those that have trained them", rows, rounds(sizes.cells, processes))]

    def summed(name: str, message: float, per_epoch: float, *, parts: int = 1) -> Traffic:
        return Traffic(name, message, per_epoch, times_sent(message / parts, processes, on_gpus=device != "cpu"))

    if isinstance(model, ElmoSettings):
        steps = (sizes.words + sizes.sequences) / (model.batch_size * model.unroll_steps * processes)
        return [summed("gradients", FLOAT_BYTES * num_gradients(model, sizes.vocabulary), steps)]
    if isinstance(model, GloveSettings):
        cells = batch_cells(model.learning_rate, sizes)
        return [summed("scores of a batch of cells", FLOAT_BYTES * cells, sizes.cells / cells)]
    assert isinstance(model, SampledModel)
    if by_columns:
        windows = batch_windows(model, sizes.vocabulary)
        message, batches = FLOAT_BYTES * windows * scores_per_window(model), sizes.words * occurrence.total / windows
        return [summed("scores of a batch of windows", message, batches)]
    from embtrain.replicas import SETTLING_MESSAGES  # noqa: PLC0415 - loads torch, as those do that merge

    shapes = state_shapes(model, sizes)
    words = settings.train.words_between_merges(threads, device)
    merged = {"input": _of_inputs(occurrence, sizes), "output": occurrence}
    changed = sum(shape[1] * rows_per_merge(merged[name], words) for name, shape in shapes.items())
    merges, settling = sizes.words / (processes * words), bytes_of(shapes) / FLOAT_BYTES * HALF_BYTES
    return [
        summed("changes of rows whose turn it is", HALF_BYTES * changed, merges),
        summed("changes of all rows, at an epoch's end", settling, 1, parts=SETTLING_MESSAGES),
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


def batch_cells(learning_rate: float, sizes: Sizes) -> float:
    """Return the cells of GloVe that are scored together, in the mean.

    The row that has most of them is that of the most frequent word, which stands near nearly all others.
    """
    of_a_row = UNEVEN * sizes.vocabulary / max(1, sizes.cells)
    return min(MOST_CELLS, sizes.vocabulary, max(1.0, MOST_RATE / learning_rate / of_a_row))


def rounds(cells: float, processes: int) -> int:
    """Return the rounds of an epoch of GloVe, each with an exchange; see :class:`embtrain.data.tiles.TiledCells`.

    Diagonals for which each process has the same columns make one round, if that is not too large. If the number of
    processes divides that of strata, there are as many kinds of diagonals as processes; if not, each is its own kind.
    """
    strata = num_strata(processes)
    kinds = processes if strata % processes == 0 else strata
    return kinds * max(1, math.ceil(cells / kinds / (processes * PIECE_CELLS)))


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

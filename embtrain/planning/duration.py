"""How long a training will take: a range around what the measured rates give, scaled to its settings."""

from __future__ import annotations

import math
from dataclasses import dataclass

from embtrain.config import CbowSettings, ElmoSettings, FactorisedModel, GloveSettings, Settings, SgnsSettings
from embtrain.planning.rates import CACHED, KEPT_SHARE, NGRAMS_PER_WORD, THREADS, Rate, cost_per_item, rate_of
from embtrain.planning.shapes import bytes_of, state_shapes
from embtrain.planning.sizes import Sizes
from embtrain.planning.work import H200, work_of_cell_on_gpu, work_on_gpu

FASTER, SLOWER = 1.4, 2.0
"""What processors of these years and other work on a machine make of a time, either way."""

SLOWER_PER_TENFOLD = 0.3
"""By how much more a word costs for each factor of ten by which the matrices outgrow those that were measured.

docs/scaling.md has the measurement."""


@dataclass(frozen=True)
class Duration:
    """Seconds of a training, without reading the snapshot or registering."""

    least: float
    most: float
    rate: Rate

    @property
    def source(self) -> str:
        """Return where the rate was measured."""
        return self.rate.source


def estimate_duration(
    settings: Settings, sizes: Sizes, *, kept_share: float, processes: int, threads: int
) -> Duration | None:
    """Estimate the time of training on CPUs; None for what was never measured.

    Args:
        settings: of the run.
        sizes: of its corpus.
        kept_share: of its words, that subsampling keeps.
        processes: that train together, each on cores of its own.
        threads: of each.
    """
    model = settings.model
    rate = rate_of(model)
    if rate is None or settings.train.parallel == "columns":
        return None
    items = _items(settings, sizes)
    if rate.unit == "words" and model.type != "elmo":
        items *= kept_share / KEPT_SHARE
    cost = cost_per_item(model) / rate.cost_per_item * slower_by(settings, sizes)
    seconds = items * cost / (rate.items_per_second * processes * threads / THREADS)
    return Duration(seconds / FASTER, seconds * SLOWER, rate)


def least_on_gpu(settings: Settings, sizes: Sizes, *, kept_share: float, processes: int) -> float | None:
    """Return the seconds that the memory and the arithmetic of NVIDIA H200s allow at least, on paper.

    No kernel of embtrain was measured on a GPU yet. None for what is not trained there tile by tile.

    Args:
        settings: of the run.
        sizes: of its corpus.
        kept_share: of its words, that subsampling keeps.
        processes: that train together, each on a GPU of its own.
    """
    model = settings.model
    if isinstance(model, ElmoSettings | FactorisedModel) or settings.train.parallel == "columns":
        return None
    if isinstance(model, SgnsSettings | CbowSettings) and model.objective != "negative_sampling":
        return None
    from embtrain.models.gpu.flight import CELLS, CENTERS, NEGATIVES  # noqa: PLC0415 - loads torch

    if isinstance(model, GloveSettings):
        return _items(settings, sizes) * work_of_cell_on_gpu(model, cells=CELLS).seconds(H200) / processes
    work = work_on_gpu(model, centers=CENTERS, negatives=NEGATIVES, ngrams_per_word=NGRAMS_PER_WORD)
    return _items(settings, sizes) * kept_share * work.seconds(H200) / processes


def slower_by(settings: Settings, sizes: Sizes) -> float:
    """Return by what factor an item costs more than where it was measured, because its rows are in no cache.

    Tiles of co-occurrences are in a cache whatever the vocabulary.
    """
    model = settings.model
    if isinstance(model, GloveSettings | FactorisedModel):
        return 1.0
    tenfolds = math.log10(max(1.0, bytes_of(state_shapes(model, sizes)) / CACHED))
    return 1 + SLOWER_PER_TENFOLD * tenfolds


def _items(settings: Settings, sizes: Sizes) -> float:
    model, epochs = settings.model, settings.train.epochs
    if isinstance(model, FactorisedModel):
        return sizes.cells or sizes.terms
    return epochs * (sizes.cells if isinstance(model, GloveSettings) else sizes.words)

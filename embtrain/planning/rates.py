"""How fast training was where it was measured: the one table that expected times are scaled from.

All on two threads of one machine, "AMD EPYC, 2 cores", by the benchmarks that are named; words are those of English
Wikipedia, 16.7 million with a vocabulary of 67,890, of which subsampling keeps 56 %. benchmarks/results has the lines
as printed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from embtrain.config import (
    CbowSettings,
    ElmoSettings,
    FactorisedModel,
    FastTextSettings,
    GloveSettings,
    ModelSettings,
    PpmiSvdSettings,
    SgnsSettings,
)
from embtrain.planning.elmo import num_bilm_parameters
from embtrain.planning.work import work_per_item

THREADS = 2
"""Of every rate below."""

KEPT_SHARE = 0.559
"""Of the words of the text that the rates of windowed models are of."""

CACHED = 50_000_000
"""Bytes of the matrices there. Larger ones are in caches less often: see ``duration.slower_by``."""

NGRAMS_PER_WORD = 14
"""Of the words of a text, which are shorter than those of its vocabulary."""

CELLS_PER_TILE = 2_600
"""46 million cells of 67,890 words."""

DATE = "21 November 2026"

_SVD_PASSES_PER_DIM = 3

_TREE: Final = "hierarchical_softmax"

_MEASURED: tuple[tuple[ModelSettings, float, str, str], ...] = (
    (SgnsSettings(), 5.82e6, "words", "bench_sgns"),
    (CbowSettings(), 7.99e6, "words", "bench_cbow"),
    (CbowSettings(gradient="word2vec"), 10.19e6, "words", "bench_cbow"),
    (SgnsSettings(objective=_TREE), 0.748e6, "words", "bench_hierarchical_softmax"),
    (CbowSettings(objective=_TREE), 1.15e6, "words", "bench_hierarchical_softmax"),
    (FastTextSettings(), 1.97e6, "words", "bench_fasttext"),
    (GloveSettings(), 26.0e6, "cells", "bench_glove"),
    (ElmoSettings(), 3_824, "words", "bench_elmo"),
    (PpmiSvdSettings(), 45.7e6 / 12.2, "cells", "bench_svd"),
)
"""Settings, items per second, what these are, and the benchmark."""


@dataclass(frozen=True)
class Rate:
    """A speed that was measured."""

    items_per_second: float
    """Words of the text before subsampling, cells of an iteration, or products of cells with a vector."""
    unit: str
    cost_per_item: float
    """In the terms of :func:`cost_per_item`, for the settings that it was measured with."""
    source: str
    """Benchmark and day."""


def rate_of(model: ModelSettings) -> Rate | None:
    """Return what was measured of a model, or None."""
    for measured, items_per_second, unit, benchmark in _MEASURED:
        if _kind(measured) == _kind(model):
            cost = cost_per_item(measured)
            return Rate(items_per_second, unit, cost, f"benchmarks/{benchmark}.py, {DATE}")
    return None


def _kind(model: ModelSettings) -> tuple[Any, ...]:
    """Return what decides on which kernel trains a model."""
    if isinstance(model, FactorisedModel):
        return (FactorisedModel,)
    kernel = ("objective", "gradient", "architecture")
    return (type(model), *(getattr(model, name, None) for name in kernel))


def cost_per_item(model: ModelSettings) -> float:
    """Return a number in proportion to the time of one item on a CPU, for comparison with that of a measured rate.

    Arithmetic decides where negatives are shared, and for ELMo; the rows of a word's n-grams come on top.
    """
    if isinstance(model, ElmoSettings):
        return num_bilm_parameters(model) + 2 * model.num_samples * model.projection_dim
    if isinstance(model, FactorisedModel):
        return _SVD_PASSES_PER_DIM * model.dim
    work = work_per_item(model, ngrams_per_word=NGRAMS_PER_WORD, cells_per_tile=CELLS_PER_TILE)
    return work.flops + work.bytes

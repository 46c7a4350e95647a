"""From a model's settings to the model of which this process holds some columns, as :mod:`embtrain.models.build`."""

from __future__ import annotations

from typing import Any

from embtrain.columns import Columns
from embtrain.config import CbowSettings, FastTextSettings, GloveSettings, SgnsSettings, TrainedModel
from embtrain.data.strata import Strata, num_strata
from embtrain.data.subwords import SubwordTable
from embtrain.data.vocabulary import Vocabulary
from embtrain.models import glove_rows
from embtrain.models.column_fasttext import ColumnFastText
from embtrain.models.column_glove import CellCompute, ColumnGlove
from embtrain.models.column_glove_threads import ThreadedGloveColumns
from embtrain.models.column_subwords import ThreadedSubwords
from embtrain.models.column_threads import ThreadedColumns
from embtrain.models.columns import ColumnWord2Vec, Compute
from embtrain.models.hogwild import starting_rows
from embtrain.models.protocol import Model
from embtrain.models.subword_rows import SubwordRows


def build_columns(
    settings: TrainedModel,
    vocabulary: Vocabulary,
    columns: Columns,
    *,
    threads: int,
    seed: int,
    device: str,
    subwords: SubwordTable | None,
) -> Model[Any]:
    """Return the model at the start of its training; see :func:`embtrain.models.build.build_model`."""
    if isinstance(settings, GloveSettings):
        return _build_glove(settings, vocabulary, columns, threads=threads, seed=seed, device=device)
    # Threads go through batches in step, so that one that shares its core would hold up all.
    ahead, threads = threads > 1 or device == "cuda", max(1, threads - 1)
    if isinstance(settings, FastTextSettings):
        assert subwords is not None
        subword_rows = SubwordRows.of(subwords)
        of_words = _compute_subwords(settings, subword_rows, columns, threads=threads, seed=seed, device=device)
        return ColumnFastText(settings, vocabulary, subword_rows, columns, of_words, lays_out_ahead=ahead)
    assert isinstance(settings, SgnsSettings | CbowSettings)
    compute = _compute_words(settings, len(vocabulary), columns, threads=threads, seed=seed, device=device)
    return ColumnWord2Vec(settings, vocabulary, columns, compute, lays_out_ahead=ahead)


def _compute_words(
    settings: SgnsSettings | CbowSettings, size: int, columns: Columns, *, threads: int, seed: int, device: str
) -> Compute:
    """Return what computes with columns of skip-gram's rows, or CBOW's."""
    rows = starting_rows(size, settings.dim, seed, slice(columns.first, columns.last))
    if device == "cuda":
        from embtrain.models.gpu.columns import DeviceColumns  # noqa: PLC0415 - loads torch

        return DeviceColumns(settings, rows, columns, vocab_size=size, device=device)
    return ThreadedColumns(settings, rows, columns, vocab_size=size, threads=threads)


def _compute_subwords(
    settings: FastTextSettings,
    subword_rows: SubwordRows,
    columns: Columns,
    *,
    threads: int,
    seed: int,
    device: str,
) -> Compute:
    """Return what computes with columns of FastText's rows."""
    rows = starting_rows(subword_rows.num_rows, settings.dim, seed, slice(columns.first, columns.last))
    if device == "cuda":
        from embtrain.models.gpu.column_subwords import DeviceSubwords  # noqa: PLC0415 - loads torch

        return DeviceSubwords(settings, rows, columns, parts=subword_rows.parts, device=device)
    return ThreadedSubwords(settings, rows, columns, parts=subword_rows.parts, threads=threads)


def _build_glove(
    settings: GloveSettings, vocabulary: Vocabulary, columns: Columns, *, threads: int, seed: int, device: str
) -> Model[Any]:
    """Return GloVe. All go through the cells as one alone would."""
    rows = glove_rows.starting_rows(len(vocabulary), settings.dim, seed, slice(columns.first, columns.last))
    # Dealing cells out takes a tenth of one thread's time: too little for one of two or three threads.
    ahead = device == "cuda" or threads >= 4  # noqa: PLR2004
    if device == "cuda":
        from embtrain.models.gpu.column_glove import DeviceGloveColumns  # noqa: PLC0415 - loads torch

        compute: CellCompute = DeviceGloveColumns(settings, rows, columns, device=device)
    else:
        compute = ThreadedGloveColumns(settings, rows, columns, threads=threads - ahead)
    strata = Strata(len(vocabulary), num_strata(1))
    return ColumnGlove(settings, vocabulary, strata, columns, compute, lays_out_ahead=ahead)

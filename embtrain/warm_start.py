"""Warm start: the words that other vectors have begin there, all others as usual.

So a scheduled refresh goes on from the version before it, and its vectors stay comparable with that one's. Rows are
put into a model by what its checkpoints are put in by, so that CPU threads, GPUs and columns need nothing of their own.

Shapes: V words, D numbers per vector, K rows that begin elsewhere.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from embtrain import tracking
from embtrain.columns import Columns
from embtrain.config import SampledModel, Settings
from embtrain.data.subwords import SubwordTable
from embtrain.data.vocabulary import Vocabulary
from embtrain.distributed import Group
from embtrain.errors import ConfigError
from embtrain.loading import is_in_mlflow, load_words
from embtrain.models.protocol import Model
from embtrain.subword_vectors import Subwords, SubwordVectors
from embtrain.vectors import Floats, Vectors
from embtrain.versions import names_version, origin_of

logger = logging.getLogger(__name__)

STARTED_FROM = "started_from"
"""The tag of a version, and the note in a checkpoint, that say which vectors a training began from."""


@dataclass(frozen=True)
class StartingRows:
    """Rows of one of a model's matrices, and where they begin."""

    places: npt.NDArray[np.int64]
    """Which rows. Shape ``(K,)``."""
    values: Floats
    """Shape ``(K, D)``."""


def begin(
    model: Model[Any],
    settings: Settings,
    vocabulary: Vocabulary,
    subwords: SubwordTable | None,
    *,
    group: Group,
    columns: Columns | None,
) -> dict[str, str]:
    """Let words begin where `train.start_from` has them, in every process; all must call it together.

    Returns:
        In the first process, which alone reads them, the version or file that they are from, by ``STARTED_FROM``.

    Raises:
        EmbtrainError: in the first process, if they cannot be read or are not for this model.
    """
    origin, kind = settings.train.start_from, settings.model
    assert origin is not None
    assert isinstance(kind, SampledModel)
    if not group.is_first:
        put_rows(model, {}, kind.dim, group, columns)
        return {}
    if is_in_mlflow(origin):
        tracking.connect(settings.track.uri)
    if names_version(origin):
        origin = origin_of(origin).uri  # an alias may move
    rows = starting_rows_from(load_words(origin), origin, kind, vocabulary, subwords)
    put_rows(model, rows, kind.dim, group, columns)
    return {STARTED_FROM: origin}


def starting_rows_from(
    vectors: Vectors, origin: str, settings: SampledModel, vocabulary: Vocabulary, subwords: SubwordTable | None
) -> dict[str, StartingRows]:
    """Return where a model's rows begin, by the names of its matrices: ``input`` and, where known, ``output``.

    FastText's rows are those of words and of buckets. From vectors without n-grams its words' own rows begin, as by
    Facebook's ``-pretrainedVectors``.

    Args:
        vectors: to begin from.
        origin: where they are, for messages.
        settings: of the model.
        vocabulary: its words.
        subwords: for FastText, the buckets of each word.

    Raises:
        ConfigError: if the vectors are of another size, of n-grams that are made otherwise, or of other words alone.
    """
    if vectors.vector_size != settings.dim:
        raise ConfigError(
            f"train.start_from: {origin} has vectors of {vectors.vector_size} numbers, but model.dim is "
            f"{settings.dim}; set model.dim={vectors.vector_size}, or start from other vectors"
        )
    ids = np.array([vectors.key_to_index.get(vectors.spelled(word), -1) for word in vocabulary.tokens])
    words = np.flatnonzero(ids >= 0)
    if not words.size:
        raise ConfigError(
            f"train.start_from: {origin} has none of the {len(vocabulary)} words of the snapshot; start from others"
        )
    logger.info("%d of %d words begin where they are in %s", words.size, len(vocabulary), origin)
    known = ids[words]
    rows = {"input": StartingRows(words, vectors.matrix[known])}
    if not isinstance(vectors, SubwordVectors):
        return rows
    if subwords is not None:
        rows["input"] = _subword_rows(vectors, origin, words, known, subwords)
    if vectors.output_rows is not None:
        rows["output"] = StartingRows(words, vectors.output_rows[known])
    return rows


def _subword_rows(
    vectors: SubwordVectors,
    origin: str,
    words: npt.NDArray[np.int64],
    known: npt.NDArray[np.int64],
    table: SubwordTable,
) -> StartingRows:
    """Return where FastText's rows of words and of buckets begin, in the order of its model.

    Raises:
        ConfigError: if n-grams are made otherwise.
    """
    subwords = Subwords(**table.settings)
    if vectors.subwords != subwords:
        raise ConfigError(
            f"train.start_from: {origin} has n-grams by {_spelled(vectors.subwords)}, the snapshot by "
            f"{_spelled(subwords)}; prepare with the same"
        )
    _, ours, theirs = np.intersect1d(np.unique(table.buckets), vectors.bucket_ids, return_indices=True)
    places = np.concatenate([words, table.offsets.size - 1 + ours])
    return StartingRows(places, np.concatenate([vectors.word_rows[known], vectors.bucket_rows[theirs]]))


def _spelled(subwords: Subwords) -> str:
    return ", ".join(f"subwords.{name}={value}" for name, value in asdict(subwords).items())


def put_rows(model: Model[Any], rows: dict[str, StartingRows], dim: int, group: Group, columns: Columns | None) -> None:
    """Put rows that the first process has into the model of every process; all must call it together.

    Args:
        model: at the start of its training.
        rows: by the names of its matrices; of other processes than the first nothing is read.
        dim: D.
        group: all processes.
        columns: those of this process; None where it holds whole vectors.
    """
    state = model.state()
    for name, matrix in state.items():
        own = rows.get(name, StartingRows(np.empty(0, np.int64), np.empty((0, dim), np.float32)))
        count = int(group.from_first(np.array([own.places.size]))[0])
        places = group.from_first(own.places if group.is_first else np.empty(count, np.int64))
        values = own.values.astype(np.float32, copy=False)
        if columns:
            values = columns.spread((count,), dim, values.__getitem__)
        else:
            values = group.from_first(values if group.is_first else np.empty((count, dim), np.float32))
        matrix[places, : values.shape[1]] = values
    model.load_state(state)

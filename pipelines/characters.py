"""Table ``characters``: each token as ELMo reads it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from embtrain.schema import CHARACTERS
from embtrain.text.characters import CHARACTERS_PER_WORD, word_characters
from pipelines.store import Stage, StoredTable

Batches = Iterator[pa.RecordBatch]


def characters_stage(spark: SparkSession, vocabulary: StoredTable) -> Stage:
    """Say how the characters follow from the vocabulary."""
    return Stage(
        table=CHARACTERS,
        build=lambda: build_characters(vocabulary.frame(spark)),
        settings={},
        code=(__name__, "embtrain.text.characters", "embtrain.text.utf8"),
        inputs={"vocabulary": vocabulary.manifest.fingerprint},
    )


def build_characters(vocabulary: DataFrame) -> DataFrame:
    """Spell every token as character ids; see :func:`embtrain.text.characters.word_characters`.

    Args:
        vocabulary: table ``embtrain.schema.VOCABULARY``.

    Returns:
        Table ``embtrain.schema.CHARACTERS``, in the order of the vocabulary.
    """
    return vocabulary.select("id", "token").mapInArrow(_spell_batches, CHARACTERS.spark_ddl)


def _spell_batches(batches: Batches) -> Batches:
    for batch in batches:
        offsets = np.arange(0, (batch.num_rows + 1) * CHARACTERS_PER_WORD, CHARACTERS_PER_WORD, dtype=np.int32)
        spelled = pa.ListArray.from_arrays(pa.array(offsets), pa.array(word_characters(batch["token"]).ravel()))
        yield pa.record_batch({"id": batch["id"], "characters": spelled})

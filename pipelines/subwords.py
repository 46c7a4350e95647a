"""Table ``subwords``: the buckets of each token's character n-grams, for FastText."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from embtrain.config import SubwordSettings
from embtrain.schema import SUBWORDS
from embtrain.text.subwords import Units, subword_buckets
from pipelines.store import Stage, StoredTable

Batches = Iterator[pa.RecordBatch]


def subwords_stage(spark: SparkSession, vocabulary: StoredTable, settings: SubwordSettings) -> Stage:
    """Say how the n-grams follow from the vocabulary."""
    options = settings.model_dump()
    return Stage(
        table=SUBWORDS,
        build=lambda: build_subwords(vocabulary.frame(spark), **options),
        settings=options,
        code=(__name__, "embtrain.text.subwords", "embtrain.text.jamo", "embtrain.text.utf8"),
        inputs={"vocabulary": vocabulary.manifest.fingerprint},
    )


def build_subwords(
    vocabulary: DataFrame, *, min_n: int, max_n: int, buckets: int, units: Units = "syllables"
) -> DataFrame:
    """Hash the n-grams of every token; see :func:`embtrain.text.subwords.subword_buckets`.

    Args:
        vocabulary: table ``embtrain.schema.VOCABULARY``.
        min_n: characters of the shortest n-grams.
        max_n: characters of the longest.
        buckets: how many there are.
        units: what they are n of.

    Returns:
        Table ``embtrain.schema.SUBWORDS``, in the order of the vocabulary.
    """

    def hash_batches(batches: Batches) -> Batches:
        for batch in batches:
            hashed = subword_buckets(batch["token"], min_n=min_n, max_n=max_n, buckets=buckets, units=units)
            yield pa.record_batch({"id": batch["id"], "buckets": hashed})

    return vocabulary.select("id", "token").mapInArrow(hash_batches, SUBWORDS.spark_ddl)

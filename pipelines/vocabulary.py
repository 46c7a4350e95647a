"""Table ``vocabulary``: which tokens there are, how often, and under which id."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from embtrain.config import VocabularySettings
from embtrain.errors import CorpusError
from embtrain.manifest import Manifest
from embtrain.schema import VOCABULARY
from pipelines.store import Stage, StoredTable

# Distinct tokens of several batches, before they are added up. Bounds the memory of a task.
_PENDING_ROWS = 2_000_000


def vocabulary_stage(spark: SparkSession, sentences: StoredTable, settings: VocabularySettings) -> Stage:
    """Say how the vocabulary is counted from the sentences."""
    counted = Observation()

    def build() -> DataFrame:
        counts = count_tokens(sentences.frame(spark)).observe(
            counted,
            F.count(F.lit(1)).alias("distinct_tokens"),
            F.sum("count").alias("tokens"),
            F.max("count").alias("highest_count"),
        )
        return build_vocabulary(counts, min_count=settings.min_count, max_size=settings.max_size)

    def check(manifest: Manifest) -> None:
        if not manifest.rows:
            raise CorpusError(
                f"no word occurs {settings.min_count} times (vocabulary.min_count); "
                f"the most frequent occurs {manifest.measures['highest_count']} times: lower it, or add text"
            )

    return Stage(
        table=VOCABULARY,
        build=build,
        settings=settings.model_dump(),
        code=(__name__,),
        inputs={"sentences": sentences.manifest.fingerprint},
        observed=(counted,),
        check=check,
        summary=lambda manifest: (
            f"read {manifest.measures['tokens']:,} tokens: {manifest.measures['distinct_tokens']:,} distinct; "
            f"kept {manifest.rows:,}"
        ),
    )


def count_tokens(sentences: DataFrame) -> DataFrame:
    """Count the tokens of the training sentences.

    Args:
        sentences: table ``embtrain.schema.SENTENCES``.

    Returns:
        ``token STRING, count BIGINT``: a row for each distinct token.
    """
    training = sentences.filter(~F.col("held_out")).select("tokens")
    partial = training.mapInArrow(_count_batches, "token STRING, count BIGINT")
    return partial.groupBy("token").agg(F.sum("count").alias("count"))


def build_vocabulary(counts: DataFrame, *, min_count: int, max_size: int) -> DataFrame:
    """Give the frequent tokens ids.

    Ids are dense, from 0, by descending count, ties by the token's UTF-8 bytes: the same counts
    give the same ids whatever the partitioning.

    Args:
        counts: ``token STRING, count BIGINT``.
        min_count: tokens that occur less often are left out.
        max_size: at most so many tokens are kept.

    Returns:
        Table ``embtrain.schema.VOCABULARY``, in order of the ids, in one partition.
    """
    kept = counts.filter(F.col("count") >= min_count)
    # One partition on purpose: it holds the vocabulary alone, and row numbers within it are ids.
    ordered = kept.repartition(1).sortWithinPartitions(F.desc("count"), F.asc("token"))
    numbered = ordered.withColumn("id", F.monotonically_increasing_id().cast("int"))
    return numbered.filter(F.col("id") < max_size).select("id", "token", "count")


def _count_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Count within a partition, so that Spark shuffles each distinct token once."""
    counted: list[pa.Table] = []
    for batch in batches:
        counts = pc.value_counts(batch.column(0).flatten())
        counted.append(pa.table({"token": counts.field("values"), "count": counts.field("counts")}))
        if sum(table.num_rows for table in counted) > _PENDING_ROWS:
            counted = [_add_up(counted)]
    if counted:
        yield from _add_up(counted).to_batches()


def _add_up(counted: list[pa.Table]) -> pa.Table:
    summed = pa.concat_tables(counted).group_by("token").aggregate([("count", "sum")])
    return summed.rename_columns({"count_sum": "count"}).select(["token", "count"])

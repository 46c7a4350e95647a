"""Table ``vocabulary``: which tokens there are, how often, and under which id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
    counted, kept = Observation(), Observation()
    token, count = F.col("token"), F.col("count")

    def build() -> DataFrame:
        counts = count_tokens(sentences.frame(spark)).observe(
            counted,
            F.count(F.lit(1)).alias("distinct_tokens"),
            F.sum(count).alias("tokens"),
            F.max(F.when(~token.isin(settings.always_drop), count)).alias("highest_count"),
        )
        always_kept = F.when(token.isin(settings.always_keep), token)
        return build_vocabulary(counts, **settings.model_dump()).observe(
            kept, F.array_sort(F.collect_list(always_kept)).alias("always_kept")
        )

    def check(manifest: Manifest) -> None:
        if manifest.rows:
            return
        highest = manifest.measures["highest_count"]
        if highest is None:
            raise CorpusError("every word of the corpus is in vocabulary.always_drop; drop fewer, or add text")
        raise CorpusError(
            f"no word occurs {settings.min_count} times (vocabulary.min_count); "
            f"the most frequent occurs {highest} times: lower it, or add text"
        )

    return Stage(
        table=VOCABULARY,
        build=build,
        settings=settings.model_dump(),
        code=(__name__,),
        inputs={"sentences": sentences.manifest.fingerprint},
        observed=(counted, kept),
        check=check,
        summary=lambda manifest: _summary(manifest, settings.always_keep),
    )


def _summary(manifest: Manifest, always_keep: list[str]) -> str:
    measures = manifest.measures
    absent = sorted({*always_keep} - {*measures["always_kept"]})
    return f"read {measures['tokens']:,} tokens: {measures['distinct_tokens']:,} distinct; kept {manifest.rows:,}" + (
        f"; of vocabulary.always_keep these never occur: {', '.join(absent)}" if absent else ""
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


def build_vocabulary(
    counts: DataFrame,
    *,
    min_count: int,
    max_size: int,
    always_keep: Sequence[str] = (),
    always_drop: Sequence[str] = (),
) -> DataFrame:
    """Give the frequent tokens ids.

    Ids are dense, from 0, by descending count, ties by the token's UTF-8 bytes: the same counts
    give the same ids whatever the partitioning.

    Args:
        counts: ``token STRING, count BIGINT``.
        min_count: tokens that occur less often are left out.
        max_size: at most so many tokens are kept.
        always_keep: tokens to keep however rare they are, at most ``max_size``.
        always_drop: tokens to leave out.

    Returns:
        Table ``embtrain.schema.VOCABULARY``, in order of the ids, in one partition.
    """
    always_kept = F.col("token").isin(list(always_keep))
    by_count = F.desc("count"), F.asc("token")
    candidates = counts.filter(always_kept | (F.col("count") >= min_count)).filter(
        ~F.col("token").isin(list(always_drop))
    )
    # One partition on purpose: it holds the vocabulary alone, and row numbers within it are ids.
    ranked = candidates.repartition(1).sortWithinPartitions(always_kept.desc(), *by_count)
    kept = ranked.filter(F.monotonically_increasing_id() < max_size).sortWithinPartitions(*by_count)
    return kept.select(F.monotonically_increasing_id().cast("int").alias("id"), "token", "count")


def _count_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Count within a partition, so that Spark shuffles each frequent token once or a few times."""
    counted: list[pa.Table] = []
    pending = 0
    for batch in batches:
        counts = pc.value_counts(batch.column(0).flatten())
        counted.append(pa.table({"token": counts.field("values"), "count": counts.field("counts")}))
        pending += len(counts)
        if pending > _PENDING_ROWS:
            yield from _add_up(counted).to_batches()
            counted, pending = [], 0
    if counted:
        yield from _add_up(counted).to_batches()


def _add_up(counted: list[pa.Table]) -> pa.Table:
    summed = pa.concat_tables(counted).group_by("token").aggregate([("count", "sum")])
    return summed.rename_columns({"count_sum": "count"}).select(["token", "count"])

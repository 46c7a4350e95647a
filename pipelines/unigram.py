"""Table ``unigram``: how likely each id is kept by subsampling, and drawn as a negative."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from embtrain.config import UnigramSettings
from embtrain.schema import UNIGRAM
from pipelines.store import Stage, StoredTable


def unigram_stage(spark: SparkSession, vocabulary: StoredTable, settings: UnigramSettings) -> Stage:
    """Say how the probabilities follow from the vocabulary."""
    options = settings.model_dump()
    return Stage(
        table=UNIGRAM,
        build=lambda: build_unigram(vocabulary.frame(spark), **options),
        settings=options,
        code=(__name__,),
        inputs={"vocabulary": vocabulary.manifest.fingerprint},
    )


def build_unigram(vocabulary: DataFrame, *, subsample_threshold: float, negative_exponent: float) -> DataFrame:
    r"""Derive the probabilities that training draws with from the counts.

    A token of relative frequency ``f`` among the kept ones is kept with probability

    .. math:: \min\left(1, \left(\sqrt{f/t} + 1\right) t / f\right)

    as word2vec.c does (Mikolov et al., 2013b, eq. 5, give another form), and drawn as a negative in
    proportion to ``count ** negative_exponent``.

    Args:
        vocabulary: table ``embtrain.schema.VOCABULARY``, in one partition, so that sums do not depend
            on the order in which partitions finish.
        subsample_threshold: ``t``; 0 keeps every occurrence.
        negative_exponent: 0.75 in word2vec.

    Returns:
        Table ``embtrain.schema.UNIGRAM``, in the order of the vocabulary.
    """
    weight = F.pow(F.col("count"), F.lit(negative_exponent))
    totals = vocabulary.agg(F.sum("count").alias("tokens"), F.sum(weight).alias("weight")).collect()[0]
    keep = F.lit(1.0)
    if subsample_threshold > 0:
        ratio = F.col("count") / F.lit(totals["tokens"] * subsample_threshold)
        keep = F.least(F.lit(1.0), (F.sqrt(ratio) + 1) / ratio)
    return vocabulary.select(
        "id", keep.alias("keep_probability"), (weight / F.lit(totals["weight"])).alias("negative_probability")
    )

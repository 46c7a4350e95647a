"""Table ``phrases``, and the sentences in which they are joined to one token each.

Tokens are counted as for the vocabulary, and those that are frequent enough get numbers; pairs are counted by
number, within batches and then by Spark. The driver holds the frequent tokens and the phrases found, never the pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from embtrain.config import PhrasesSettings
from embtrain.errors import ConfigError
from embtrain.manifest import Manifest
from embtrain.schema import PHRASES, SENTENCES
from embtrain.text import join_phrases
from embtrain.text.phrases import Counts, Scores, npmi_score, pair_keys, word2vec_score
from pipelines.store import Stage, StoredTable
from pipelines.vocabulary import count_tokens

Batches = Iterator[pa.RecordBatch]

# Of one pass. The driver and each Python process hold them.
_MAX_PHRASES = 5_000_000

_CODE = (__name__, "embtrain.text.phrases")


def phrases_stage(spark: SparkSession, sentences: StoredTable, settings: PhrasesSettings) -> Stage:
    """Say how phrases are found in the sentences."""
    found, passes = Observation(), range(1, settings.passes + 1)

    def build() -> DataFrame:
        phrases = find_phrases(sentences.frame(spark), settings)
        table = spark.createDataFrame(phrases, PHRASES.spark_ddl).coalesce(1)
        return table.observe(found, *(F.count_if(F.col("pass") == number).alias(f"pass_{number}") for number in passes))

    def summary(manifest: Manifest) -> str:
        counts = (f"{manifest.measures[f'pass_{number}']:,} in pass {number}" for number in passes)
        return f"found {', '.join(counts)}"

    return Stage(
        table=PHRASES,
        build=build,
        settings=settings.model_dump(),
        code=(*_CODE, "pipelines.vocabulary"),
        inputs={"sentences": sentences.manifest.fingerprint},
        observed=(found,),
        summary=summary,
    )


def joined_sentences_stage(spark: SparkSession, sentences: StoredTable, phrases: StoredTable) -> Stage:
    """Say how the sentences become those that the vocabulary is counted from."""
    kept = Observation()

    def build() -> DataFrame:
        joined = join_sentences(sentences.frame_in_order(spark), phrases.read())
        return joined.observe(kept, F.count_if("held_out").alias("held_out"))

    return Stage(
        table=SENTENCES,
        build=build,
        # So that whoever reads these sentences knows how their texts were taken apart.
        settings=sentences.manifest.made_from["settings"],
        code=_CODE,
        inputs={"sentences": sentences.manifest.fingerprint, "phrases": phrases.manifest.fingerprint},
        observed=(kept,),
        summary=lambda manifest: (
            f"joined phrases: of {sentences.manifest.tokens:,} tokens became {manifest.tokens:,}, "
            f"in {manifest.rows:,} sentences"
        ),
    )


def find_phrases(sentences: DataFrame, settings: PhrasesSettings) -> pa.Table:
    """Find the phrases of the training sentences; each pass joins what those before it have found.

    Args:
        sentences: table ``embtrain.schema.SENTENCES``.
        settings: passes, score, threshold and the least count.

    Returns:
        Table ``embtrain.schema.PHRASES``, by pass, then descending score, then the tokens' UTF-8 bytes.

    Raises:
        ConfigError: if a pass finds more than 5,000,000.
    """
    phrases = PHRASES.arrow_schema.empty_table()
    for number in range(1, settings.passes + 1):
        joined = join_sentences(sentences, phrases) if number > 1 else sentences
        found = _find_pairs(joined, settings)
        numbered = found.append_column("pass", pa.repeat(pa.scalar(number, pa.int32()), len(found)))
        phrases = pa.concat_tables([phrases, numbered.cast(PHRASES.arrow_schema)])
    by = [("pass", "ascending"), ("score", "descending"), ("first", "ascending"), ("second", "ascending")]
    return phrases.sort_by(by)


def join_sentences(sentences: DataFrame, phrases: pa.Table) -> DataFrame:
    """Join phrases in sentences, those held out too.

    Args:
        sentences: table ``embtrain.schema.SENTENCES``.
        phrases: table ``embtrain.schema.PHRASES``.

    Returns:
        Table ``embtrain.schema.SENTENCES``, in the same order.
    """
    shared = sentences.sparkSession.sparkContext.broadcast(phrases)

    def join_batches(batches: Batches) -> Batches:
        for batch in batches:
            joined = join_phrases(batch.column("tokenised"), shared.value)
            yield pa.record_batch({"tokenised": joined, "held_out": batch.column("held_out")})

    # One string a sentence crosses to Python and back several times faster than a list of strings.
    texts = sentences.select(F.array_join("tokens", " ").alias("tokenised"), "held_out")
    joined = texts.mapInArrow(join_batches, "tokenised STRING, held_out BOOLEAN")
    return joined.select(F.split("tokenised", " ").alias("tokens"), "held_out")


def _find_pairs(sentences: DataFrame, settings: PhrasesSettings) -> pa.Table:
    """Return the pairs above the threshold: ``first``, ``second``, ``count``, ``score``.

    Raises:
        ConfigError: if there are more than can be held.
    """
    read = Observation()
    counts = count_tokens(sentences).observe(read, F.sum("count").alias("tokens"))
    # A pair is as rare as its rarer token.
    frequent = counts.filter(F.col("count") >= settings.min_count).toArrow()
    shared = sentences.sparkSession.sparkContext.broadcast(frequent)
    score, threshold = _scorer(settings, read.get["tokens"] or 0), settings.threshold

    def count_pairs(batches: Batches) -> Batches:
        vocabulary = shared.value["token"].combine_chunks()
        for batch in batches:
            counted = pc.value_counts(pa.array(pair_keys(batch.column(0), vocabulary)))
            yield pa.record_batch({"pair": counted.field("values"), "count": counted.field("counts")})

    def score_pairs(batches: Batches) -> Batches:
        vocabulary = shared.value
        for batch in batches:
            pair, count = batch.columns
            first, second = (vocabulary.take(ids) for ids in np.divmod(pair.to_numpy(), vocabulary.num_rows))
            scores = score(count.to_numpy(), first["count"].to_numpy(), second["count"].to_numpy())
            pairs = {"first": first["token"], "second": second["token"], "count": count, "score": scores}
            yield from pa.table(pairs).filter(scores > threshold).to_batches()

    training = sentences.filter(~F.col("held_out")).select("tokens")
    counted = training.mapInArrow(count_pairs, "pair BIGINT, count BIGINT")
    pairs = counted.groupBy("pair").agg(F.sum("count").alias("count")).filter(F.col("count") >= settings.min_count)
    scored = pairs.mapInArrow(score_pairs, "first STRING, second STRING, count BIGINT, score DOUBLE")
    accepted = scored.limit(_MAX_PHRASES + 1).toArrow()
    if len(accepted) > _MAX_PHRASES:
        found = f"more than {_MAX_PHRASES:,} pairs score above phrases.threshold={threshold:g}"
        raise ConfigError(f"{found}; raise it, or phrases.min_count")
    return accepted


def _scorer(settings: PhrasesSettings, tokens: int) -> Callable[[Counts, Counts, Counts], Scores]:
    if settings.score == "npmi":
        return partial(npmi_score, tokens=tokens)
    return partial(word2vec_score, tokens=tokens, min_count=settings.min_count)

"""Table ``sentences``: documents taken apart, duplicates removed, some held out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from embtrain.config import CorpusSettings
from embtrain.errors import CorpusError
from embtrain.manifest import Manifest
from embtrain.schema import SENTENCES
from embtrain.text import TextRules, measured_sentences
from embtrain.text.morphemes import kiwi_version
from pipelines.documents import (
    document_code,
    document_inputs,
    document_measures,
    documents_summary,
    kept_documents,
    read_documents,
)
from pipelines.sources import Sources
from pipelines.store import Stage, StoredTable

Batches = Iterator[pa.RecordBatch]

# What :func:`embtrain.text.measured_sentences` returns.
_MEASURED = "tokenised STRING, num_tokens INT, num_dropped INT"

_TEXT_MODULES = ("rules", "addresses", "boundaries", "jamo", "lengths", "morphemes", "normalise", "utf8", "words")
TEXT_CODE = tuple(f"embtrain.text.{module}" for module in _TEXT_MODULES)


def sentences_stage(
    spark: SparkSession,
    sources: Sources,
    corpus: CorpusSettings,
    *,
    near_duplicates: StoredTable | None,
    partitions: int,
) -> Stage:
    """Say how the sentences of a corpus are made."""
    rules = corpus.text_rules
    read, split, kept = Observation(), Observation(), Observation()

    def build() -> DataFrame:
        screened = read_documents(spark, sources, corpus, near_duplicates).observe(read, *document_measures())
        found = tokenise_documents(kept_documents(screened), rules).observe(
            split,
            F.count(F.lit(1)).alias("sentences"),
            F.count_if(F.col("num_tokens") < corpus.min_sentence_tokens).alias("short_sentences"),
            F.coalesce(F.sum("num_dropped"), F.lit(0)).alias("long_tokens"),
        )
        return build_sentences(
            found.filter(F.col("num_tokens") >= corpus.min_sentence_tokens),
            deduplicate=corpus.deduplicate,
            held_out=corpus.held_out,
            partitions=partitions,
        ).observe(kept, F.count_if("held_out").alias("held_out"))

    def check(manifest: Manifest) -> None:
        if not manifest.rows:
            read_of_it = documents_summary(manifest.measures)
            raise CorpusError(f"no word in the corpus {', '.join(corpus.paths)}: {read_of_it}")
        if manifest.measures["held_out"] == manifest.rows:
            raise CorpusError(
                f"corpus.held_out={corpus.held_out} keeps all {manifest.rows} sentences out of training; "
                "lower it, or add text"
            )

    return Stage(
        table=SENTENCES,
        build=build,
        settings={**corpus.model_dump(exclude={"paths"}), "partitions": partitions},
        code=(__name__, *document_code(corpus), *TEXT_CODE),
        inputs=corpus_inputs(sources, corpus, near_duplicates),
        observed=(read, split, kept),
        check=check,
        summary=_sentences_summary,
    )


def corpus_inputs(sources: Sources, corpus: CorpusSettings, near_duplicates: StoredTable | None) -> dict[str, Any]:
    """Return what the tokens of a corpus depend on, beside settings and code."""
    tokenizer = {"kiwi": kiwi_version()} if corpus.tokenizer == "morphemes" else {}
    return {**document_inputs(sources, corpus, near_duplicates), **tokenizer}


def _sentences_summary(manifest: Manifest) -> str:
    measures = manifest.measures
    short, long = measures["short_sentences"], measures["long_tokens"]
    return (
        f"{documents_summary(measures)}: {measures['sentences']:,} sentences; dropped "
        + (f"{short:,} as too short, " if short else "")
        + (f"{long:,} tokens as too long, " if long else "")
        + f"{measures['sentences'] - short - manifest.rows:,} duplicates; "
        f"kept {manifest.rows:,} with {manifest.tokens:,} tokens, {measures['held_out']:,} of them held out"
    )


def tokenise_documents(documents: DataFrame, rules: TextRules) -> DataFrame:
    """Take documents apart to sentences of tokens.

    Args:
        documents: ``text STRING``, valid UTF-8; other columns do not matter.
        rules: how.

    Returns:
        ``tokenised STRING, num_tokens INT, num_dropped INT``: a sentence a row, as
        :func:`embtrain.text.measured_sentences` describes it.
    """
    return documents.select("text").mapInArrow(_tokeniser(rules), _MEASURED)


def build_sentences(tokenised: DataFrame, *, deduplicate: bool, held_out: float, partitions: int) -> DataFrame:
    """Choose and order sentences by a hash of their tokens.

    So the same corpus gives the same rows in the same files, however its text came in, and whether a
    sentence is held out depends on nothing but itself.

    Args:
        tokenised: ``tokenised STRING``, as :func:`tokenise_documents` makes it.
        deduplicate: keep one of the sentences with the same tokens.
        held_out: share of the distinct sentences to keep out of training, in [0, 1).
        partitions: files to write.

    Returns:
        Table ``embtrain.schema.SENTENCES``.
    """
    hashed = tokenised.withColumn("hash", F.xxhash64("tokenised")).repartition(partitions, "hash")
    kept = hashed.dropDuplicates(["hash"]) if deduplicate else hashed
    # In order of the hash, held-out sentences come first in every file: few pages are read to find them.
    ordered = kept.sortWithinPartitions("hash")
    return ordered.select(F.split("tokenised", " ").alias("tokens"), _below(F.col("hash"), held_out).alias("held_out"))


def _below(hashed: Column, share: float) -> Column:
    """Tell whether a 64-bit hash is among the lowest ``share`` of all values."""
    return hashed < F.lit(int(share * 2**64) - 2**63)


def _tokeniser(rules: TextRules) -> Callable[[Batches], Batches]:
    def tokenise_batches(batches: Batches) -> Batches:
        for batch in batches:
            yield measured_sentences(batch.column(0), rules)

    return tokenise_batches

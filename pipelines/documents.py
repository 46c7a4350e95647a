"""The documents of a corpus, and table ``dropped``: which of them are left out, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from embtrain.config import CorpusSettings
from embtrain.manifest import Manifest
from embtrain.schema import DROPPED
from pipelines import readers, wikipedia
from pipelines.sources import SourceFile, Sources, describe, literal
from pipelines.store import Stage, StoredTable

MALFORMED = "malformed"
NO_TEXT = "no text"
TOO_LONG = "too long"
DUPLICATE = "duplicate"
NEAR_DUPLICATE = "near duplicate"
_REASONS = (MALFORMED, NO_TEXT, TOO_LONG, DUPLICATE, NEAR_DUPLICATE)

# Begins the names of the measures that count what was dropped; the rest is the reason.
_DROPPED = "dropped: "

_EXCERPT_CHARACTERS = 200

_READERS: dict[str, Callable[[SparkSession, list[str], CorpusSettings], DataFrame]] = {
    "lines": readers.read_lines,
    "paragraphs": readers.read_paragraphs,
    "json": readers.read_json,
    "csv": readers.read_csv,
    "tsv": readers.read_tsv,
    "parquet": readers.read_parquet,
    "table": readers.read_tables,
    "wikipedia": wikipedia.read_articles,
}

# What decides which documents there are.
DOCUMENT_SETTINGS = {"format", "text_column", "max_document_bytes"}
_DOCUMENT_CODE = (__name__, "pipelines.sources", "pipelines.readers")
_WIKIPEDIA_CODE = ("pipelines.wikipedia", "embtrain.text.wikitext")


def document_code(corpus: CorpusSettings) -> tuple[str, ...]:
    """Return the modules that decide which documents there are."""
    return _DOCUMENT_CODE + (_WIKIPEDIA_CODE if corpus.format == "wikipedia" else ())


def read_documents(
    spark: SparkSession, sources: Sources, corpus: CorpusSettings, near_duplicates: StoredTable | None = None
) -> DataFrame:
    """Read the documents of a corpus, and say of each whether to drop it.

    Args:
        spark: the session.
        sources: what the corpus is made from.
        corpus: how to read it.
        near_duplicates: documents to drop besides; then of copies of the same text only one is kept, too.

    Returns:
        ``text STRING``, valid UTF-8, with U+FFFD in place of what is not, and of a dropped document the beginning
        alone; ``source STRING``, its file or table; ``reason STRING``, why it is dropped, null where it is not.
    """
    # Readers of tables find no header in an empty file.
    paths = [
        literal(source.path) if isinstance(source, SourceFile) else source.path
        for source in sources
        if not isinstance(source, SourceFile) or source.bytes
    ]
    rows = _READERS[corpus.format](spark, paths, corpus)
    screened = screen(rows, corpus.max_document_bytes)
    return mark_duplicates(screened, near_duplicates.frame(spark)) if near_duplicates else screened


def document_inputs(
    sources: Sources, corpus: CorpusSettings, near_duplicates: StoredTable | None = None
) -> dict[str, Any]:
    """Return what a fingerprint of the documents is to be made from, besides settings and code."""
    inputs: dict[str, Any] = {"sources": describe(sources)}
    if corpus.format == "wikipedia":
        inputs["parser"] = wikipedia.parser_version()
    if near_duplicates:
        inputs["near_duplicates"] = near_duplicates.manifest.fingerprint
    return inputs


def screen(rows: DataFrame, max_document_bytes: int) -> DataFrame:
    """Say of each row that a reader gives why it is dropped; see :func:`read_documents`."""
    reason = (
        # First, since a parser may give up on what is merely too long for it.
        F.when(F.octet_length("text") > max_document_bytes, TOO_LONG)
        .when(F.col("malformed"), MALFORMED)
        .when(F.col("text").isNull() | readers.is_blank("text"), NO_TEXT)
    )
    screened = rows.select(F.make_valid_utf8("text").alias("text"), "source", reason.alias("reason"))
    # What is dropped is not to be carried about whole.
    beginning = F.left("text", F.lit(_EXCERPT_CHARACTERS))
    text = F.when(F.col("reason").isNull(), F.col("text")).otherwise(beginning)
    return screened.withColumn("text", text)


def document_hash() -> Column:
    """Return the column ``document``: the 64-bit hash by which a text is known."""
    return F.xxhash64("text").alias("document")


def mark_duplicates(documents: DataFrame, near_duplicates: DataFrame) -> DataFrame:
    """Give near duplicates, and all copies of a text but that of the first source by name, a reason to be dropped.

    Args:
        documents: ``text STRING, source STRING, reason STRING``, as :func:`read_documents` returns them.
        near_duplicates: table ``embtrain.schema.NEAR_DUPLICATES``.

    Returns:
        ``text STRING, source STRING, reason STRING``: reasons that are there already stay, and no document is a
        copy of one that is dropped for another reason.
    """
    copies = Window.partitionBy("document").orderBy("source")
    # Numbered, those that are dropped already meet no other, nor all in one task where they have no text.
    known_by = F.when(F.col("reason").isNull(), document_hash()).otherwise(F.monotonically_increasing_id())
    hashed = documents.select("*", known_by.alias("document")).withColumn("copy", F.row_number().over(copies))
    similar = near_duplicates.select("document", F.lit(NEAR_DUPLICATE).alias("found"))
    reason = F.coalesce("reason", "found", F.when(F.col("copy") > 1, DUPLICATE))
    return hashed.join(similar, "document", "left").select("text", "source", reason.alias("reason"))


def document_measures() -> list[Column]:
    """Return what is to be observed of screened documents: how many, and how many are dropped for which reason."""
    return [
        F.count(F.lit(1)).alias("documents"),
        F.count_if(F.col("reason").isNull() & F.contains("text", F.lit("\ufffd"))).alias("documents_not_utf8"),
        *(F.count_if(F.col("reason") == reason).alias(_DROPPED + reason) for reason in _REASONS),
    ]


def count_dropped(measures: Mapping[str, Any]) -> dict[str, int]:
    """Return how many documents were dropped for each reason that occurred."""
    return {
        name.removeprefix(_DROPPED): count for name, count in measures.items() if name.startswith(_DROPPED) and count
    }


def documents_summary(measures: Mapping[str, Any]) -> str:
    """Say how many documents were read, and how many of them dropped for which reason."""
    damaged, reasons = measures["documents_not_utf8"], count_dropped(measures)
    return (
        f"read {measures['documents']:,} documents"
        + (f", {damaged:,} with bytes that are not UTF-8, replaced" if damaged else "")
        + (", dropped " + ", ".join(f"{count:,} ({reason})" for reason, count in reasons.items()) if reasons else "")
    )


def kept_documents(documents: DataFrame) -> DataFrame:
    """Return the documents that are not dropped, ``text STRING, source STRING``, spread evenly over the cores."""
    return readers.spread(documents.filter(F.col("reason").isNull()).select("text", "source"))


def drops(documents: DataFrame) -> DataFrame:
    """Return the documents that have a reason to be dropped, as rows of table ``embtrain.schema.DROPPED``."""
    dropped = documents.filter(F.col("reason").isNotNull())
    return dropped.select("reason", "source", F.left("text", F.lit(_EXCERPT_CHARACTERS)).alias("excerpt"))


def build_dropped(*dropped: DataFrame, partitions: int) -> DataFrame:
    """Unite what several steps dropped, in an order that depends on nothing but the rows.

    Args:
        dropped: as :func:`drops` returns them.
        partitions: files to write.

    Returns:
        Table ``embtrain.schema.DROPPED``.
    """
    columns = [name for name, _ in DROPPED.columns]
    return reduce(DataFrame.unionAll, dropped).repartition(partitions, *columns).sortWithinPartitions(*columns)


def dropped_stage(
    spark: SparkSession,
    sources: Sources,
    corpus: CorpusSettings,
    sentences: Manifest,
    *,
    near_duplicates: StoredTable | None,
    partitions: int,
) -> Stage:
    """Say how the dropped documents are listed: by a second look at the corpus, only if any were dropped."""

    def build() -> DataFrame:
        if not count_dropped(sentences.measures):
            return spark.createDataFrame([], DROPPED.spark_ddl)
        documents = read_documents(spark, sources, corpus, near_duplicates)
        return build_dropped(drops(documents), partitions=partitions)

    return Stage(
        table=DROPPED,
        build=build,
        settings={**corpus.model_dump(include=DOCUMENT_SETTINGS), "partitions": partitions},
        code=document_code(corpus),
        inputs=document_inputs(sources, corpus, near_duplicates),
        summary=lambda manifest: f"{manifest.rows:,} documents listed with the reason",
    )

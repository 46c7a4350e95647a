"""Table ``document_terms``: how often each document has which tokens, for LSA."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Observation, SparkSession, Window
from pyspark.sql import functions as F

from embtrain.config import CorpusSettings
from embtrain.manifest import Manifest
from embtrain.schema import DOCUMENT_TERMS, PHRASES
from embtrain.text import TextRules, document_sentences, join_phrases
from embtrain.text.document_terms import count_terms
from embtrain.text.lengths import drop_long_tokens
from pipelines.documents import document_code, document_hash, kept_documents, read_documents
from pipelines.sentences import TEXT_CODE, corpus_inputs
from pipelines.sources import Sources
from pipelines.store import Stage, StoredTable

Batches = Iterator[pa.RecordBatch]

# By which a reader knows a document again.
_BEGINNING_CHARACTERS = 80


def document_terms_stage(
    spark: SparkSession,
    sources: Sources,
    corpus: CorpusSettings,
    phrases: StoredTable | None,
    vocabulary: StoredTable,
    *,
    near_duplicates: StoredTable | None,
    partitions: int,
) -> Stage:
    """Say how the documents of a corpus are counted, by a second look at it."""
    counted = Observation()

    def build() -> DataFrame:
        documents = kept_documents(read_documents(spark, sources, corpus, near_duplicates))
        tokens_by_id = vocabulary.read(["token"])["token"].combine_chunks()
        joined = phrases.read() if phrases else PHRASES.arrow_schema.empty_table()
        terms = count_documents(documents, tokens_by_id, corpus.text_rules, joined).observe(
            counted, F.count(F.lit(1)).alias("documents"), F.count_if(_is_empty()).alias("without_a_known_token")
        )
        return build_document_terms(terms, deduplicate=corpus.deduplicate, partitions=partitions)

    def summary(manifest: Manifest) -> str:
        read, empty = manifest.measures["documents"], manifest.measures["without_a_known_token"]
        return (
            f"read {read:,} documents; dropped {empty:,} without a word of the vocabulary, "
            f"{read - empty - manifest.rows:,} duplicates; kept {manifest.rows:,}"
        )

    return Stage(
        table=DOCUMENT_TERMS,
        build=build,
        settings={**corpus.model_dump(exclude={"paths"}), "partitions": partitions},
        code=(__name__, *document_code(corpus), *TEXT_CODE, "embtrain.text.phrases", "embtrain.text.document_terms"),
        inputs={
            **corpus_inputs(sources, corpus, near_duplicates),
            "phrases": phrases.manifest.fingerprint if phrases else None,
            "vocabulary": vocabulary.manifest.fingerprint,
        },
        observed=(counted,),
        summary=summary,
    )


def count_documents(documents: DataFrame, vocabulary: pa.Array, rules: TextRules, phrases: pa.Table) -> DataFrame:
    """Count the tokens of each document.

    Args:
        documents: ``text STRING``, valid UTF-8, ``source STRING``.
        vocabulary: the tokens in order of their ids: string array, shape ``(V,)``.
        rules: how text becomes tokens.
        phrases: table ``embtrain.schema.PHRASES``, of tokens to join; it may be empty.

    Returns:
        The columns of table ``embtrain.schema.DOCUMENT_TERMS``, a row for each document, in the same order.
    """
    shared = documents.sparkSession.sparkContext.broadcast((vocabulary, phrases))

    def count_batches(batches: Batches) -> Batches:
        tokens_by_id, known_phrases = shared.value
        for batch in batches:
            sentences = document_sentences(batch["text"], rules)
            # As in the sentences that phrases are found in.
            tokenised, _ = drop_long_tokens(sentences.flatten(), rules.max_token_characters)
            joined = join_phrases(tokenised, known_phrases)
            terms, counts = count_terms(pa.ListArray.from_arrays(sentences.offsets, joined), tokens_by_id)
            told = {name: batch[name] for name in ("document", "source", "beginning")}
            yield pa.record_batch({**told, "terms": terms, "counts": counts})

    described = documents.select(document_hash(), "source", _beginning("text"), "text")
    return described.mapInArrow(count_batches, DOCUMENT_TERMS.spark_ddl)


def build_document_terms(counted: DataFrame, *, deduplicate: bool, partitions: int) -> DataFrame:
    """Choose and order documents by the hash of their text.

    So the same corpus gives the same rows in the same files, however its text came in, and a document has the
    same number in every corpus.

    Args:
        counted: as :func:`count_documents` returns it.
        deduplicate: keep one of the documents with the same text, that of the first source by name.
        partitions: files to write.

    Returns:
        Table ``embtrain.schema.DOCUMENT_TERMS``, without documents that have no token of the vocabulary.
    """
    hashed = counted.filter(~_is_empty()).repartition(partitions, "document")
    if deduplicate:
        copies = Window.partitionBy("document").orderBy("source")
        hashed = hashed.withColumn("copy", F.row_number().over(copies)).filter(F.col("copy") == 1).drop("copy")
    return hashed.sortWithinPartitions("document", "source")


def _is_empty() -> Column:
    return F.size("terms") == 0


def _beginning(text: str) -> Column:
    """Return a document's first characters on one line."""
    # Much white space may stand before them.
    one_line = F.trim(F.regexp_replace(F.left(text, F.lit(10 * _BEGINNING_CHARACTERS)), r"(?U)\s+", " "))
    return F.left(one_line, F.lit(_BEGINNING_CHARACTERS)).alias("beginning")

"""Table ``document_terms``: how often each document has which tokens, for LSA."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from embtrain.schema import DOCUMENT_TERMS
from embtrain.text import TextRules, document_sentences
from embtrain.text.document_terms import count_terms

Batches = Iterator[pa.RecordBatch]

# By which a reader knows a document again.
_BEGINNING_CHARACTERS = 80


def build_document_terms(
    documents: DataFrame, vocabulary: pa.Array, rules: TextRules, *, deduplicate: bool, partitions: int
) -> DataFrame:
    """Count the tokens of documents.

    A document is known by a hash of its text, which also says where it lies: so the same corpus gives the
    same rows in the same files, however its text came in, and a document has the same number in every corpus.

    Args:
        documents: ``text STRING``, valid UTF-8, ``source STRING``.
        vocabulary: the tokens in order of their ids: string array, shape ``(V,)``.
        rules: how text becomes tokens.
        deduplicate: keep one of the documents with the same text, that of the first source by name.
        partitions: files to write.

    Returns:
        Table ``embtrain.schema.DOCUMENT_TERMS``, without documents that have no token of the vocabulary.
    """
    counted = count_documents(documents, vocabulary, rules)
    hashed = counted.filter(F.size("terms") > 0).repartition(partitions, "document")
    if deduplicate:
        copies = Window.partitionBy("document").orderBy("source")
        hashed = hashed.withColumn("copy", F.row_number().over(copies)).filter(F.col("copy") == 1).drop("copy")
    return hashed.sortWithinPartitions("document", "source")


def count_documents(documents: DataFrame, vocabulary: pa.Array, rules: TextRules) -> DataFrame:
    """Count the tokens of each document, in the given order; see :func:`build_document_terms`."""
    tokens_by_id = documents.sparkSession.sparkContext.broadcast(vocabulary)
    described = documents.select(F.xxhash64("text").alias("document"), "source", _beginning("text"), "text")
    return described.mapInArrow(_counter(lambda: tokens_by_id.value, rules), DOCUMENT_TERMS.spark_ddl)


def _beginning(text: str) -> Column:
    """Return a document's first characters on one line."""
    # Much white space may stand before them.
    one_line = F.trim(F.regexp_replace(F.left(text, F.lit(10 * _BEGINNING_CHARACTERS)), r"(?U)\s+", " "))
    return F.left(one_line, F.lit(_BEGINNING_CHARACTERS)).alias("beginning")


def _counter(vocabulary: Callable[[], pa.Array], rules: TextRules) -> Callable[[Batches], Batches]:
    def count_batches(batches: Batches) -> Batches:
        for batch in batches:
            terms, counts = count_terms(document_sentences(batch["text"], rules), vocabulary())
            yield pa.record_batch(
                {
                    **{name: batch[name] for name in ("document", "source", "beginning")},
                    "terms": terms,
                    "counts": counts,
                }
            )

    return count_batches

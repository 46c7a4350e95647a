"""Table ``document_terms``: which documents there are, under which number, in which order."""

import pyarrow as pa
import pytest
from pyspark.testing import assertDataFrameEqual

from embtrain.schema import DOCUMENT_TERMS, PHRASES
from embtrain.text import TextRules
from pipelines.document_terms import build_document_terms, count_documents

pytestmark = pytest.mark.spark

VOCABULARY = pa.array(["cat", "dog", "the"])


def documents_of(spark, *rows):
    return spark.createDataFrame(rows, "text STRING, source STRING")


def terms_of(documents, *, deduplicate=True, partitions=2, vocabulary=VOCABULARY, phrases=()):
    joined = pa.Table.from_pylist(phrases, schema=PHRASES.arrow_schema)
    counted = count_documents(documents, vocabulary, TextRules(), joined)
    return build_document_terms(counted, deduplicate=deduplicate, partitions=partitions)


def test_a_document_has_its_source_its_beginning_and_its_terms(spark):
    text = "  The cat.\n\nThe\tdog?"
    documents = documents_of(spark, (text, "a.txt"))
    (number,) = spark.createDataFrame([(text,)], "text STRING").selectExpr("xxhash64(text)").first()
    row = (number, "a.txt", "The cat. The dog?", [0, 1, 2], [1, 1, 2])
    assertDataFrameEqual(terms_of(documents), spark.createDataFrame([row], DOCUMENT_TERMS.spark_ddl))


def test_of_a_long_document_the_beginning_has_80_characters(spark):
    beginning = terms_of(documents_of(spark, ("cat 가" * 100, "a.txt"))).first().beginning
    assert beginning == ("cat 가" * 100)[:80]


def test_phrases_are_joined_within_a_sentence(spark):
    phrases = [{"first": "new", "second": "york", "count": 9, "score": 9.0, "pass": 1}]
    documents = documents_of(spark, ("New York! In New. York?", "a.txt"))
    row = terms_of(documents, vocabulary=pa.array(["new_york", "york"]), phrases=phrases).first()
    assert (row.terms, row.counts) == ([0, 1], [1, 1])


def test_phrases_are_joined_over_a_token_that_is_too_long_as_in_sentences(spark):
    phrases = [{"first": "new", "second": "york", "count": 9, "score": 9.0, "pass": 1}]
    documents = documents_of(spark, (f"new {'x' * 101} york", "a.txt"))
    assert terms_of(documents, vocabulary=pa.array(["new_york"]), phrases=phrases).first().terms == [0]


def test_a_document_without_a_known_token_is_left_out(spark):
    assert terms_of(documents_of(spark, ("a mouse", "a.txt"), ("a cat", "a.txt"))).count() == 1


def test_documents_with_the_same_text_are_kept_once_from_the_first_source(spark):
    documents = documents_of(spark, ("a cat", "b.txt"), ("a cat", "a.txt"), ("a cat", "b.txt")).repartition(3)
    assert [row.source for row in terms_of(documents).collect()] == ["a.txt"]


def test_copies_of_a_document_can_be_kept(spark):
    documents = documents_of(spark, ("a cat", "b.txt"), ("a cat", "a.txt"))
    rows = terms_of(documents, deduplicate=False).collect()
    assert [row.source for row in rows] == ["a.txt", "b.txt"]
    assert rows[0].document == rows[1].document


def test_the_order_of_the_corpus_does_not_matter(spark):
    rows = [(f"cat {i}", f"{i % 3}.txt") for i in range(50)]

    def partitions_of(documents):
        return terms_of(documents, partitions=3).rdd.glom().collect()

    assert partitions_of(documents_of(spark, *reversed(rows)).repartition(5)) == partitions_of(
        documents_of(spark, *rows)
    )

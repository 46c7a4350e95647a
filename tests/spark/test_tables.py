"""The stages, each on rows that one can check by eye."""

import math

import numpy as np
import pyarrow as pa
import pytest
from pyspark.testing import assertDataFrameEqual

from embtrain.schema import HELD_OUT, SENTENCES, UNIGRAM, VOCABULARY
from embtrain.text import TextRules
from pipelines import vocabulary as vocabulary_module
from pipelines.sentences import build_sentences, tokenise_documents
from pipelines.sequences import encode, encode_sentences
from pipelines.unigram import build_unigram
from pipelines.vocabulary import build_vocabulary, count_tokens

pytestmark = pytest.mark.spark


def sentences_of(spark, *texts, held_out=False):
    return spark.createDataFrame([(text.split(), held_out) for text in texts], SENTENCES.spark_ddl)


def tokenised_of(spark, *texts):
    return spark.createDataFrame([(text,) for text in texts], "tokenised STRING")


def tokens_in(frame):
    return sorted(" ".join(row.tokens) for row in frame.collect())


# --- sentences -----------------------------------------------------------------------------------------------------


def test_documents_are_taken_apart_to_sentences(spark):
    documents = spark.createDataFrame([("It rains. It pours!",), ("...",)], "text STRING")
    tokenised = tokenise_documents(documents, TextRules())
    assert [tuple(row) for row in tokenised.collect()] == [("it rains", 2, 0), ("it pours", 2, 0)]


def test_sentences_with_the_same_tokens_are_kept_once(spark):
    tokenised = tokenised_of(spark, "a b", "b a", "a b")
    kept = build_sentences(tokenised, deduplicate=True, held_out=0, partitions=2)
    assert tokens_in(kept) == ["a b", "b a"]


def test_duplicates_can_be_kept(spark):
    kept = build_sentences(tokenised_of(spark, "a", "a"), deduplicate=False, held_out=0, partitions=2)
    assert tokens_in(kept) == ["a", "a"]


def test_the_given_share_of_sentences_is_held_out(spark):
    tokenised = tokenised_of(spark, *(f"sentence {i}" for i in range(4000)))
    kept = build_sentences(tokenised, deduplicate=True, held_out=0.25, partitions=2)
    # Binomial: the standard deviation is 27.
    assert kept.filter("held_out").count() == pytest.approx(1000, abs=5 * 27)


def test_nothing_is_held_out_unless_asked_for(spark):
    tokenised = tokenised_of(spark, *(f"sentence {i}" for i in range(100)))
    kept = build_sentences(tokenised, deduplicate=True, held_out=0, partitions=2)
    assert kept.filter("held_out").count() == 0


def test_the_order_of_the_corpus_does_not_matter(spark):
    texts = [f"sentence {i}" for i in range(50)]

    def partitions_of(tokenised):
        kept = build_sentences(tokenised, deduplicate=True, held_out=0.1, partitions=3)
        return [[row.tokens for row in partition] for partition in kept.rdd.glom().collect()]

    reordered = tokenised_of(spark, *reversed(texts)).repartition(5)
    assert partitions_of(reordered) == partitions_of(tokenised_of(spark, *texts))


# --- vocabulary ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("partitions", [1, 3])
def test_ids_follow_descending_count_then_token(spark, partitions):
    sentences = sentences_of(spark, "b a c", "b a", "é z").repartition(partitions)
    actual = build_vocabulary(count_tokens(sentences), min_count=1, max_size=10)
    rows = [(0, "a", 2), (1, "b", 2), (2, "c", 1), (3, "z", 1), (4, "é", 1)]
    assertDataFrameEqual(actual, spark.createDataFrame(rows, VOCABULARY.spark_ddl), checkRowOrder=True)


def test_held_out_sentences_are_not_counted(spark):
    sentences = sentences_of(spark, "a b").union(sentences_of(spark, "a a", held_out=True))
    assert {row.token: row["count"] for row in count_tokens(sentences).collect()} == {"a": 1, "b": 1}


def test_a_task_passes_on_its_counts_when_they_are_too_many_to_keep(monkeypatch):
    monkeypatch.setattr(vocabulary_module, "_PENDING_ROWS", 3)
    batches = [pa.record_batch({"tokens": pa.array([tokens])}) for tokens in (["a", "b", "a"], ["a", "c"], ["a"])]
    counted = [batch.to_pydict() for batch in vocabulary_module._count_batches(iter(batches))]
    assert counted == [{"token": ["a", "b", "c"], "count": [3, 1, 1]}, {"token": ["a"], "count": [1]}]


def test_rare_tokens_get_no_id(spark):
    counts = spark.createDataFrame([("a", 3), ("b", 2)], "token STRING, count BIGINT")
    assert [row.token for row in build_vocabulary(counts, min_count=3, max_size=10).collect()] == ["a"]


def test_of_more_than_max_size_the_most_frequent_are_kept(spark):
    counts = spark.createDataFrame([(str(i), i) for i in range(1, 9)], "token STRING, count BIGINT")
    assert [row.token for row in build_vocabulary(counts, min_count=1, max_size=3).collect()] == ["8", "7", "6"]


def tokens_of(vocabulary):
    return [row.token for row in vocabulary.orderBy("id").collect()]


def test_a_token_to_be_kept_is_kept_however_rare(spark):
    counts = spark.createDataFrame([("a", 3), ("b", 1), ("c", 1)], "token STRING, count BIGINT")
    assert tokens_of(build_vocabulary(counts, min_count=2, max_size=10, always_keep=["c", "absent"])) == ["a", "c"]


def test_a_token_to_be_kept_takes_the_place_of_a_frequent_one(spark):
    counts = spark.createDataFrame([(str(i), i) for i in range(1, 9)], "token STRING, count BIGINT")
    vocabulary = build_vocabulary(counts, min_count=5, max_size=3, always_keep=["1"])
    assert [(row.id, row.token) for row in vocabulary.collect()] == [(0, "8"), (1, "7"), (2, "1")]


def test_a_token_to_be_dropped_gets_no_id(spark):
    counts = spark.createDataFrame([("the", 9), ("cat", 3)], "token STRING, count BIGINT")
    assert tokens_of(build_vocabulary(counts, min_count=1, max_size=10, always_drop=["the"])) == ["cat"]


# --- unigram -------------------------------------------------------------------------------------------------------


def unigram_of(spark, counts, **options):
    rows = [(token_id, f"t{token_id}", count) for token_id, count in enumerate(counts)]
    vocabulary = spark.createDataFrame(rows, VOCABULARY.spark_ddl).coalesce(1)
    settings = {"subsample_threshold": 1e-3, "negative_exponent": 0.75} | options
    return build_unigram(vocabulary, **settings)


def test_keep_probability_is_word2vecs(spark):
    # As word2vec.c writes it, with a sample of 1e-3 in a million words.
    frequent, rare = unigram_of(spark, [999_900, 100]).collect()
    expected = (math.sqrt(999_900 / (1e-3 * 1_000_000)) + 1) * (1e-3 * 1_000_000) / 999_900
    assert frequent.keep_probability == pytest.approx(expected)
    assert rare.keep_probability == 1


def test_threshold_zero_keeps_every_occurrence(spark):
    assert {row.keep_probability for row in unigram_of(spark, [999, 1], subsample_threshold=0).collect()} == {1.0}


@pytest.mark.parametrize("exponent", [0.75, 0.5, 0, -1])
def test_negatives_follow_a_power_of_the_count(spark, exponent):
    probabilities = [
        row.negative_probability for row in unigram_of(spark, [8, 2], negative_exponent=exponent).collect()
    ]
    assert probabilities == pytest.approx(
        [8**exponent / (8**exponent + 2**exponent), 2**exponent / (8**exponent + 2**exponent)]
    )


def test_unigram_keeps_to_its_schema(spark):
    assert unigram_of(spark, [1]).select("id", "keep_probability", "negative_probability").dtypes == [
        (name, kind.lower()) for name, kind in UNIGRAM.columns
    ]


# --- sequences -----------------------------------------------------------------------------------------------------

TOKENS_BY_ID = pa.array(["a", "b", "c"])


def test_unknown_tokens_are_left_out_before_windows_are_laid(spark):
    sequences = encode_sentences(sentences_of(spark, "c x a a"), TOKENS_BY_ID, held_out=False)
    assert [row.ids for row in sequences.collect()] == [[2, 0, 0]]


def test_a_sentence_of_fewer_than_two_ids_is_left_out(spark):
    sequences = encode_sentences(sentences_of(spark, "a x", "x", "a b"), TOKENS_BY_ID, held_out=False)
    assert [row.ids for row in sequences.collect()] == [[0, 1]]


def test_held_out_sentences_go_to_a_table_of_their_own(spark):
    sentences = sentences_of(spark, "a a").union(sentences_of(spark, "b b", held_out=True))
    encoded = encode_sentences(sentences, TOKENS_BY_ID, held_out=True)
    assertDataFrameEqual(encoded, spark.createDataFrame([([1, 1],)], HELD_OUT.spark_ddl))


def test_encoding_a_slice_encodes_the_slice_only():
    tokens = pa.array([["a", "b"], ["c", "x", "b"], ["b", "b"]]).slice(1, 2)
    assert encode(tokens, TOKENS_BY_ID).to_pylist() == [[2, 1], [1, 1]]


def test_batches_smaller_than_the_vocabulary_give_the_same_sequences(spark):
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "3")
    rng = np.random.default_rng(0)
    texts = [" ".join(f"t{i}" for i in rng.integers(0, 40, 5)) for _ in range(30)]
    vocabulary = pa.array([f"t{i}" for i in range(40)])
    sequences = encode_sentences(sentences_of(spark, *texts).coalesce(1), vocabulary, held_out=False).collect()
    spark.conf.unset("spark.sql.execution.arrow.maxRecordsPerBatch")
    assert [" ".join(f"t{i}" for i in row.ids) for row in sequences] == texts

"""Tables that spell each token of the vocabulary: n-grams and characters."""

import pyarrow as pa
import pytest
from pyspark.testing import assertDataFrameEqual

from embtrain.schema import CHARACTERS, SUBWORDS, VOCABULARY
from embtrain.text.subwords import subword_buckets
from pipelines.characters import build_characters
from pipelines.subwords import build_subwords

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def vocabulary(spark):
    return spark.createDataFrame([(0, "고양이", 3), (1, "a", 2)], VOCABULARY.spark_ddl).coalesce(1)


def test_each_id_has_the_buckets_of_its_token(spark, vocabulary):
    actual = build_subwords(vocabulary, min_n=3, max_n=4, buckets=1000)
    rows = [(0, [29, 618, 540, 614, 255]), (1, [600])]  # <고양 <고양이 고양이 고양이> 양이>; <a>
    assertDataFrameEqual(actual, spark.createDataFrame(rows, SUBWORDS.spark_ddl), checkRowOrder=True)


def test_units_may_be_the_letters_of_korean(vocabulary):
    rows = build_subwords(vocabulary, min_n=11, max_n=11, buckets=1000, units="jamo").collect()
    (expected,) = subword_buckets(pa.array(["ㄱㅗ-ㅇㅑㅇㅇㅣ-"]), min_n=11, max_n=11, buckets=1000).to_pylist()
    assert [row.buckets for row in rows] == [expected, []]


def test_a_token_without_ngrams_keeps_its_row(vocabulary):
    assert [row.buckets for row in build_subwords(vocabulary, min_n=6, max_n=6, buckets=10).collect()] == [[], []]


def test_each_id_has_the_characters_of_its_token(spark, vocabulary):
    a = [259, ord("a") + 1, 260] + 47 * [261]
    cat = [259, *(byte + 1 for byte in "고양이".encode()), 260] + 39 * [261]
    expected = spark.createDataFrame([(0, cat), (1, a)], CHARACTERS.spark_ddl)
    assertDataFrameEqual(build_characters(vocabulary), expected, checkRowOrder=True)

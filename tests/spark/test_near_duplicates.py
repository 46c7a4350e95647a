"""Near duplicates: found among planted ones as exact similarity and datasketch find them, and dropped."""

import random
from collections import Counter

import pytest
from pyspark.testing import assertDataFrameEqual

from embtrain.config import Settings
from embtrain.schema import NEAR_DUPLICATES
from pipelines.documents import mark_duplicates
from pipelines.near_duplicates import find_near_duplicates
from pipelines.prepare import prepare

pytestmark = pytest.mark.spark

SCREENED = "text STRING, source STRING, reason STRING"


def documents_of(spark, *texts):
    return spark.createDataFrame([(text, "a.txt") for text in texts], "text STRING, source STRING")


def text_of(chance, num_words):
    return [f"w{chance.randrange(10**6)}" for _ in range(num_words)]


def changed(chance, words, changes):
    """Return the words with so many of them replaced."""
    words = list(words)
    for at in chance.sample(range(len(words)), changes):
        words[at] = f"x{chance.randrange(10**6)}"
    return words


def shingles(text):
    words = text.split()
    return {tuple(words[at : at + 5]) for at in range(len(words) - 4)}


def similarity(one, other):
    return len(shingles(one) & shingles(other)) / len(shingles(one) | shingles(other))


@pytest.fixture(scope="module")
def pairs():
    """Give pairs of documents of all similarities, nothing like those of other pairs."""
    chance = random.Random(1)
    originals = [text_of(chance, chance.randint(30, 200)) for _ in range(400)]
    return [(" ".join(words), " ".join(changed(chance, words, chance.randrange(5)))) for words in originals]


@pytest.fixture(scope="module")
def found(spark, pairs):
    """Give the hashes of pairs of texts that are found to be at least 0.8 similar, and how similar they are."""
    documents = documents_of(spark, *(text for pair in pairs for text in pair))
    rows = find_near_duplicates(documents.repartition(3), 0.8).collect()
    return {frozenset((row.document, row.similar_to)): row.similarity for row in rows}


@pytest.fixture(scope="module")
def keys(spark, pairs):
    """Give the two hashes of each pair of different texts, and the pair's exact similarity."""
    frame = spark.createDataFrame([pair for pair in pairs if pair[0] != pair[1]], "one STRING, other STRING")
    rows = frame.selectExpr("xxhash64(one)", "xxhash64(other)", "one", "other").collect()
    return {frozenset(row[:2]): similarity(row.one, row.other) for row in rows}


def test_nearly_all_near_duplicates_are_found(found, keys):
    # Three standard errors of the estimate above the bound; of these, one in a hundred may share no band.
    wanted = {key for key, exact in keys.items() if exact >= 0.9}
    assert len(wanted) > 50
    assert len(wanted & found.keys()) >= 0.97 * len(wanted)


def test_nothing_is_found_that_is_not_similar(found, keys):
    assert found.keys() <= {key for key, exact in keys.items() if exact > 0.65}


def test_the_similarity_is_that_of_the_sets(found, keys):
    errors = [estimate - keys[key] for key, estimate in found.items()]
    assert max(map(abs, errors)) < 4 * 0.036
    assert sum(errors) / len(errors) == pytest.approx(0, abs=0.01)


def test_datasketch_finds_the_same_but_for_the_error_of_its_estimates(pairs, found, keys):
    datasketch = pytest.importorskip("datasketch")

    def least_hashes(text):
        hashed = datasketch.MinHash(num_perm=128)
        hashed.update_batch([" ".join(shingle).encode() for shingle in shingles(text)])
        return hashed

    different = [pair for pair in pairs if pair[0] != pair[1]]
    theirs = {
        key
        for key, (one, other) in zip(keys, different, strict=True)
        if least_hashes(one).jaccard(least_hashes(other)) >= 0.8
    }
    near_the_bound = {key for key, exact in keys.items() if abs(exact - 0.8) < 0.15}
    assert theirs - near_the_bound == found.keys() - near_the_bound


def test_of_many_alike_one_is_left(spark):
    chance = random.Random(2)
    words = text_of(chance, 300)
    texts = [" ".join(changed(chance, words, 1)) for _ in range(60)]
    left_out = find_near_duplicates(documents_of(spark, *texts), 0.8).select("document").distinct()
    assert left_out.count() == 59


def test_texts_that_differ_in_punctuation_alone_are_wholly_similar(spark):
    (row,) = find_near_duplicates(documents_of(spark, "One, two. Three!", "one two three", "four"), 1.0).collect()
    assert (row.similarity, row.document > row.similar_to) == (1, True)


def test_texts_without_words_are_not_similar(spark):
    assert find_near_duplicates(documents_of(spark, "!!!", "...", "?"), 0.5).count() == 0


def test_near_duplicates_and_copies_get_a_reason_and_others_keep_theirs(spark):
    rows = [("one", "b", None), ("one", "a", None), ("two", "a", None), ("two", "b", None), ("", "a", "no text")]
    screened = spark.createDataFrame(rows, SCREENED)
    near = spark.sql("SELECT xxhash64('two') AS document, 0L AS similar_to, 0.9D AS similarity")
    expected = [
        ("one", "a", None),
        ("one", "b", "duplicate"),
        ("two", "a", "near duplicate"),
        ("two", "b", "near duplicate"),
        ("", "a", "no text"),
    ]
    assertDataFrameEqual(mark_duplicates(screened, near), spark.createDataFrame(expected, SCREENED))


def test_a_document_is_no_copy_of_one_that_is_dropped_for_another_reason(spark):
    rows = [("one", "a", "malformed"), ("one", "b", None)]
    marked = mark_duplicates(
        spark.createDataFrame(rows, SCREENED), spark.createDataFrame([], NEAR_DUPLICATES.spark_ddl)
    )
    assertDataFrameEqual(marked, spark.createDataFrame(rows, SCREENED))


def test_documents_without_text_do_not_meet_in_one_task(spark):
    screened = spark.createDataFrame([(None, "a", "no text")] * 100, SCREENED)
    marked = mark_duplicates(screened, spark.createDataFrame([], NEAR_DUPLICATES.spark_ddl))
    assert max(map(len, marked.rdd.glom().collect())) < 100


def test_dropped_documents_are_listed_and_leave_no_sentence(spark, tmp_path):
    chance = random.Random(3)
    words = text_of(chance, 100)
    texts = [" ".join(text) for text in (words, changed(chance, words, 1), words, text_of(chance, 20))]
    (tmp_path / "corpus.txt").write_text("\n".join(texts), encoding="utf-8")
    settings = Settings(
        name="near",
        snapshot=str(tmp_path / "snapshot"),
        corpus={"paths": [str(tmp_path / "corpus.txt")], "near_duplicates": 0.8, "held_out": 0},
        vocabulary={"min_count": 1},
    )
    snapshot = prepare(spark, settings)
    folders = {name: str(tmp_path / "snapshot" / folder) for name, folder in snapshot.tables.items()}
    reasons = Counter(row.reason for row in spark.read.parquet(folders["dropped"]).collect())
    # The changed one goes, or the original with its copy.
    assert reasons in ({"near duplicate": 1, "duplicate": 1}, {"near duplicate": 2})
    assert spark.read.parquet(folders["sentences"]).count() == 2
    assert spark.read.parquet(folders["near_duplicates"]).columns == [name for name, _ in NEAR_DUPLICATES.columns]

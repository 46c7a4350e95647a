"""Phrases of a corpus: found, joined, and the same as gensim's."""

import random

import pyarrow as pa
import pytest

import reference_phrases as reference
from embtrain.config import PhrasesSettings, Settings
from embtrain.errors import ConfigError
from embtrain.prepared import as_prepared, tokeniser_of
from embtrain.schema import PHRASES, SENTENCES
from pipelines import phrases as phrases_module
from pipelines.phrases import find_phrases, join_sentences
from pipelines.prepare import prepare

pytestmark = pytest.mark.spark

SCORES = [{"score": "word2vec", "threshold": 1.5}, {"score": "npmi", "threshold": 0.2}]

# Stands in no token, so that gensim, which knows pairs by their joined name, takes none for another.
APART = "\x1f"


@pytest.fixture(scope="module")
def corpus():
    """Give sentences of words that like to follow each other: some pairs, and pairs of pairs, come much too often."""
    chance = random.Random(1)
    collocations = ["new york", "new york city", "york minster", "los angeles", "los angeles city hall", "ice cream"]
    words = [*"abcdefg", "new", "york", "city", "hall", "ice", "cream"]
    weights = [9, 8, 7, 6, 5, 4, 3, 2, 1, 1, 1, 1, 1]
    return [
        " ".join(
            chance.choice(collocations) if chance.random() < 0.15 else chance.choices(words, weights)[0]
            for _ in range(chance.randint(1, 12))
        ).split()
        for _ in range(1500)
    ]


def sentences_of(spark, sentences, held_out=False):
    return spark.createDataFrame([(tokens, held_out) for tokens in sentences], SENTENCES.spark_ddl)


def pairs_in(phrases, number=1):
    rows = [row for row in phrases.to_pylist() if row["pass"] == number]
    return {(row["first"], row["second"]): (row["count"], row["score"]) for row in rows}


@pytest.fixture(scope="module", params=SCORES, ids=lambda score: score["score"])
def searched(request, spark, corpus):
    """Give a score's settings, and the phrases of two passes."""
    settings = PhrasesSettings(passes=2, min_count=5, **request.param)
    return settings, find_phrases(sentences_of(spark, corpus).repartition(3), settings)


def gensims_pairs(sentences, settings):
    """Return gensim's phrases and their scores, and the sentences with them joined."""
    models = pytest.importorskip("gensim.models.phrases")
    scoring = "npmi" if settings.score == "npmi" else "default"
    model = models.Phrases(sentences, min_count=settings.min_count, delimiter=APART, scoring=scoring, threshold=1)
    # Its word2vec score has another factor than word2phrase.c's: the number of distinct tokens and pairs.
    scale = 1 if scoring == "npmi" else model.corpus_word_count / len(model.vocab)
    model.threshold = settings.threshold / scale
    found = {tuple(name.split(APART)): pytest.approx(value * scale) for name, value in model.export_phrases().items()}
    return found, [[token.replace(APART, "_") for token in model[sentence]] for sentence in sentences]


def test_two_passes_find_and_join_what_gensim_does(spark, corpus, searched):
    settings, phrases = searched
    expected = corpus
    for number in (1, 2):
        found, expected = gensims_pairs(expected, settings)
        assert {pair: score for pair, (_, score) in pairs_in(phrases, number).items()} == found
        assert found
    joined = join_sentences(sentences_of(spark, corpus), phrases)
    assert [row.tokens for row in joined.collect()] == expected


def test_pairs_are_those_of_the_reference(corpus, searched):
    settings, phrases = searched
    expected = reference.find_pairs(corpus, **settings.model_dump(exclude={"passes"}))
    assert pairs_in(phrases) == {pair: (count, pytest.approx(score)) for pair, (count, score) in expected.items()}


def test_phrases_lie_by_pass_then_descending_score_then_tokens(searched):
    rows = searched[1].to_pylist()
    assert rows == sorted(rows, key=lambda row: (row["pass"], -row["score"], row["first"], row["second"]))


def test_phrases_do_not_depend_on_the_partitioning(spark, corpus):
    settings = PhrasesSettings(passes=1, threshold=1.5)
    once, cut = (sentences_of(spark, corpus).repartition(number) for number in (1, 5))
    assert find_phrases(once, settings).equals(find_phrases(cut, settings))


def test_held_out_sentences_are_joined_but_not_counted(spark):
    training = sentences_of(spark, [["a", "b"]] * 9)
    sentences = training.union(sentences_of(spark, [["c", "d"]] * 9 + [["a", "b"]], held_out=True))
    phrases = find_phrases(sentences, PhrasesSettings(passes=1, threshold=0.1))
    assert pairs_in(phrases) == {("a", "b"): (9, (9 - 5) / 9 / 9 * 18)}
    held_out = join_sentences(sentences, phrases).filter("held_out").collect()
    assert sorted({" ".join(row.tokens) for row in held_out}) == ["a_b", "c d"]


def test_a_corpus_without_a_frequent_token_has_no_phrase(spark):
    phrases = find_phrases(sentences_of(spark, [["a", "b"]]), PhrasesSettings(passes=1))
    assert phrases.equals(PHRASES.arrow_schema.empty_table())


def test_more_phrases_than_can_be_held_are_refused_with_the_threshold(spark, monkeypatch):
    monkeypatch.setattr(phrases_module, "_MAX_PHRASES", 1)
    sentences = sentences_of(spark, [["a", "b", "c"]] * 9)
    with pytest.raises(ConfigError, match=r"more than 1 pairs score above phrases\.threshold=0\.1; raise it"):
        find_phrases(sentences, PhrasesSettings(passes=1, threshold=0.1))


def test_the_vocabulary_is_counted_from_joined_sentences(spark, tmp_path):
    (tmp_path / "corpus.txt").write_text("\n".join(f"ice cream {i}" for i in range(20)), encoding="utf-8")
    settings = Settings(
        name="phrases",
        snapshot=str(tmp_path / "snapshot"),
        corpus={"paths": [str(tmp_path / "corpus.txt")], "held_out": 0},
        phrases={"passes": 1, "threshold": 1},
        vocabulary={"min_count": 1},
    )
    snapshot = prepare(spark, settings)
    folders = {name: str(tmp_path / "snapshot" / folder) for name, folder in snapshot.tables.items()}
    assert [row.tokens[0] for row in spark.read.parquet(folders["sentences"]).collect()] == ["ice_cream"] * 20
    assert spark.read.parquet(folders["vocabulary"]).first().asDict() == {"id": 0, "token": "ice_cream", "count": 20}
    found = pa.Table.from_pylist([row.asDict() for row in spark.read.parquet(folders["phrases"]).collect()])
    assert found.column("second").to_pylist() == ["cream"]
    assert as_prepared(Settings(name="phrases", corpus={"paths": ["elsewhere"]}), snapshot).corpus.held_out == 0
    unsaid = Settings(name="phrases")
    assert tokeniser_of(unsaid, snapshot).sentences(["Ice cream 7!"]) == [[["ice_cream", "7"]]]

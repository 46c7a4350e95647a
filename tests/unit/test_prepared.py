"""A training goes by the settings that its tables were made with, and refuses to be told others."""

import pytest

from embtrain.config import Settings
from embtrain.errors import ConfigError
from embtrain.manifest import Manifest, Snapshot, write_manifest
from embtrain.prepared import as_prepared, tokeniser_of
from embtrain.storage import Location

MADE_WITH = {
    "sentences": Settings(name="x", corpus={"paths": ["a"], "lowercase": False}).corpus.model_dump(exclude={"paths"}),
    "vocabulary": {"min_count": 50, "max_size": 1000, "always_keep": [], "always_drop": []},
    "unigram": {"subsample_threshold": 0, "negative_exponent": 0.75},
}


@pytest.fixture
def snapshot(tmp_path):
    """Return a snapshot that has nothing but manifests."""
    location = Location.of(tmp_path)
    for table, made_with in MADE_WITH.items():
        (tmp_path / table).mkdir()
        made_from = {"settings": {**made_with, "partitions": 8}}
        write_manifest(location / table, Manifest(table, "0123", rows=0, parts=[], made_from=made_from))
    return Snapshot(location, {table: table for table in MADE_WITH})


def test_what_a_run_file_leaves_out_is_what_the_tables_were_made_with(snapshot):
    settings = as_prepared(Settings(name="toy", corpus={"paths": ["b"]}, unigram={"negative_exponent": 0.75}), snapshot)
    assert settings.vocabulary.min_count == 50
    assert settings.unigram.subsample_threshold == 0
    assert not settings.corpus.lowercase
    assert settings.corpus.paths == ["b"]


@pytest.mark.parametrize(
    ("sections", "differs"),
    [
        ({"unigram": {"negative_exponent": -1}}, r"unigram.negative_exponent=0.75, not -1.0;"),
        ({"vocabulary": {"min_count": 5, "max_size": 1000}}, r"vocabulary.min_count=50, not 5;"),
        ({"corpus": {"paths": ["a"], "lowercase": True}}, r"corpus.lowercase=False, not True;"),
        ({"phrases": {"passes": 2}}, r"phrases.passes=0, not 2;"),
        (
            {"vocabulary": {"min_count": 1}, "unigram": {"subsample_threshold": 1}},
            r"vocabulary.min_count=50, not 1, unigram.subsample_threshold=0.0, not 1.0;",
        ),
    ],
)
def test_a_setting_that_the_tables_were_not_made_with_is_named(snapshot, sections, differs):
    with pytest.raises(ConfigError, match=f"was made with {differs} run embtrain prepare"):
        as_prepared(Settings(name="toy", **sections), snapshot)


def test_of_tables_that_do_not_say_what_they_were_made_with_nothing_is_refused(tmp_path):
    snapshot = Snapshot(Location.of(tmp_path), {"unigram": "nowhere"})
    settings = Settings(name="toy", unigram={"negative_exponent": -1}, phrases={"passes": 1})
    assert as_prepared(settings, snapshot) == settings


def test_texts_are_taken_apart_as_the_corpus_was_whatever_the_run_file_says(snapshot):
    for corpus in (None, {"paths": ["a"], "tokenizer": "whitespace"}):
        assert tokeniser_of(Settings(name="toy", corpus=corpus), snapshot).sentences(["A cat. It!"]) == [
            [["A", "cat"], ["It"]]
        ]


def test_of_a_snapshot_that_does_not_say_the_run_file_tells_how_its_texts_are_taken_apart(tmp_path):
    snapshot = Snapshot(Location.of(tmp_path), {})
    corpus = {"paths": ["a"], "tokenizer": "whitespace"}
    assert tokeniser_of(Settings(name="toy", corpus=corpus), snapshot).sentences(["A cat."]) == [[["a", "cat."]]]
    assert tokeniser_of(Settings(name="toy"), snapshot) is None

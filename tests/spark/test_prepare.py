"""The chain: what it leaves on disk, what it does again, and what it says of bad input."""

import bz2
import gzip
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embtrain.config import Settings
from embtrain.errors import ConfigError, CorpusError, SetupError, SnapshotError
from embtrain.manifest import MANIFEST, Snapshot
from embtrain.schema import HELD_OUT, SENTENCES, SEQUENCES, UNIGRAM, VOCABULARY
from pipelines import prepare as prepare_module
from pipelines.prepare import prepare

pytestmark = pytest.mark.spark

ROOT = Path(__file__).parents[2]
TEXT = "".join(f"Word {i % 7} and word {i % 11} meet again. Then {i} goes home!\n" for i in range(200))


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def settings(folder, *paths, **sections):
    corpus = {"paths": [str(path) for path in paths], "held_out": 0.1} | sections.pop("corpus", {})
    defaults = {"vocabulary": {"min_count": 2}, "spark": {"partitions": 2}}
    return Settings(name="test", snapshot=str(folder / "snapshot"), corpus=corpus, **(defaults | sections))


def read(snapshot, table):
    folder, _ = snapshot.table(table)
    return pa.concat_tables(pq.read_table(info.path) for info in folder.files())


def vocabulary_of(snapshot):
    return {row["token"]: row["count"] for row in read(snapshot, VOCABULARY).to_pylist()}


# --- what is written -----------------------------------------------------------------------------------------------


def test_every_table_is_there_and_whole(spark, tmp_path, corpus):
    snapshot = prepare(spark, settings(tmp_path, corpus))
    tables = (SENTENCES, VOCABULARY, UNIGRAM, SEQUENCES, HELD_OUT)
    assert all(read(snapshot, table).num_rows == snapshot.table(table)[1].rows > 0 for table in tables)


def test_the_committed_snapshot_is_the_one_returned(spark, tmp_path, corpus):
    assert prepare(spark, settings(tmp_path, corpus)) == Snapshot.open(str(tmp_path / "snapshot"))


@pytest.mark.parametrize("table", [SENTENCES, SEQUENCES, HELD_OUT])
def test_a_manifest_counts_the_tokens(spark, tmp_path, corpus, table):
    snapshot = prepare(spark, settings(tmp_path, corpus))
    assert snapshot.table(table)[1].tokens == len(read(snapshot, table).column(0).combine_chunks().flatten())


def test_counts_are_of_the_training_sentences(spark, tmp_path, corpus):
    snapshot = prepare(spark, settings(tmp_path, corpus, vocabulary={"min_count": 1}))
    training = read(snapshot, SENTENCES).filter(pa.compute.field("held_out") == False)  # noqa: E712 - an expression
    assert sum(vocabulary_of(snapshot).values()) == len(training["tokens"].combine_chunks().flatten())


def test_row_groups_hold_about_as_many_tokens_as_wanted(spark, tmp_path, corpus, monkeypatch):
    monkeypatch.setattr(prepare_module, "ROW_GROUP_TOKENS", 100)
    _, manifest = prepare(spark, settings(tmp_path, corpus)).table(SEQUENCES)
    assert manifest.tokens / manifest.row_groups == pytest.approx(100, rel=0.3)


def test_the_same_text_gives_the_same_tables_however_it_lies_on_disk(spark, tmp_path, corpus):
    folder = tmp_path / "many"
    folder.mkdir()
    lines = TEXT.splitlines(keepends=True)
    (folder / "a.txt").write_text("".join(lines[150:]), encoding="utf-8")
    (folder / "b.txt.gz").write_bytes(gzip.compress("".join(lines[:80]).encode()))
    (folder / "c.txt.bz2").write_bytes(bz2.compress("".join(lines[80:150]).encode()))
    one = prepare(spark, settings(tmp_path, corpus))
    many = prepare(spark, settings(folder, folder))
    assert all(read(one, table) == read(many, table) for table in (SENTENCES, VOCABULARY, SEQUENCES, HELD_OUT))


def test_one_endless_line_is_cut_and_not_dropped(spark, tmp_path):
    path = tmp_path / "line.txt"
    path.write_text("round and " * 5000, encoding="utf-8")
    keep_all = {"deduplicate": False, "held_out": 0, "max_sentence_tokens": 100}
    snapshot = prepare(spark, settings(tmp_path, path, corpus=keep_all))
    assert snapshot.table(SEQUENCES)[1].rows == 100
    assert vocabulary_of(snapshot) == {"and": 5000, "round": 5000}


def test_korean_paragraphs_are_prepared(spark, tmp_path):
    path = tmp_path / "ko.txt"
    path.write_text("고양이\n\n고양이는 동물이다. 고양이는\n잔다.\n\n개도 동물이다.\n", encoding="utf-8")
    options = {"language": "ko", "format": "paragraphs", "held_out": 0}
    snapshot = prepare(spark, settings(tmp_path, path, corpus=options))
    assert vocabulary_of(snapshot) == {"고양이는": 2, "동물이다": 2}
    assert ["고양이는", "잔다"] in read(snapshot, SENTENCES)["tokens"].to_pylist()


# --- what is done again --------------------------------------------------------------------------------------------


def manifests(folder):
    return {path: path.stat().st_mtime_ns for path in (folder / "snapshot").glob(f"*/{MANIFEST}")}


def redone(folder, before):
    return {
        path.parent.name.rsplit("-", 1)[0] for path, written in manifests(folder).items() if before.get(path) != written
    }


def test_nothing_is_done_again_when_nothing_has_changed(spark, tmp_path, corpus):
    prepare(spark, settings(tmp_path, corpus))
    before = manifests(tmp_path)
    prepare(spark, settings(tmp_path, corpus))
    assert manifests(tmp_path) == before


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"unigram": {"negative_exponent": 0.5}}, {"unigram"}),
        ({"vocabulary": {"min_count": 3}}, {"vocabulary", "unigram", "sequences", "held_out"}),
        ({"corpus": {"lowercase": False}}, {"sentences", "vocabulary", "unigram", "sequences", "held_out"}),
        ({"train": {"epochs": 9}}, set()),
    ],
)
def test_a_changed_setting_redoes_what_depends_on_it(spark, tmp_path, corpus, changed, expected):
    prepare(spark, settings(tmp_path, corpus))
    before = manifests(tmp_path)
    prepare(spark, settings(tmp_path, corpus, **changed))
    assert redone(tmp_path, before) == expected


def test_a_changed_file_redoes_everything(spark, tmp_path, corpus):
    prepare(spark, settings(tmp_path, corpus))
    before = manifests(tmp_path)
    corpus.write_text(TEXT + "One more sentence.\n", encoding="utf-8")
    prepare(spark, settings(tmp_path, corpus))
    assert redone(tmp_path, before) == {"sentences", "vocabulary", "unigram", "sequences", "held_out"}


def test_an_earlier_snapshot_stays_readable_after_a_new_one(spark, tmp_path, corpus):
    earlier = prepare(spark, settings(tmp_path, corpus))
    prepare(spark, settings(tmp_path, corpus, vocabulary={"min_count": 3}))
    assert read(earlier, VOCABULARY).num_rows == earlier.table(VOCABULARY)[1].rows


def test_a_killed_run_is_picked_up_where_it_was(spark, tmp_path, corpus):
    kill_while_writing("vocabulary", tmp_path, corpus)
    before = manifests(tmp_path)
    assert redone(tmp_path, {}) == {"sentences"}
    snapshot = prepare(spark, settings(tmp_path, corpus))
    assert redone(tmp_path, before) == {"vocabulary", "unigram", "sequences", "held_out"}
    undisturbed = prepare(spark, settings(tmp_path / "undisturbed", corpus))
    assert all(read(snapshot, table) == read(undisturbed, table) for table in (VOCABULARY, SEQUENCES, HELD_OUT))


def kill_while_writing(table, folder, corpus):
    """Start a run of its own and kill all its processes as soon as the table's folder is there."""
    conf = folder / "run.yaml"
    conf.write_text(
        settings(folder, corpus).model_dump_json(include={"name", "snapshot", "corpus", "vocabulary", "spark"})
    )
    run = subprocess.Popen(
        [sys.executable, "-m", "jobs.prepare_snapshot", "--conf", conf, "spark.master=local[2]"],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not any((folder / "snapshot").glob(f"{table}-*")):
        assert run.poll() is None, "the run ended before it could be killed"
        time.sleep(0.01)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()


def test_no_snapshot_is_committed_before_its_tables(tmp_path, corpus):
    kill_while_writing("sequences", tmp_path, corpus)
    with pytest.raises(SnapshotError, match="is not finished"):
        Snapshot.open(str(tmp_path / "snapshot"))


# --- bad input -----------------------------------------------------------------------------------------------------


def assert_nothing_committed(folder):
    assert not (folder / "snapshot" / "snapshot.json").exists()


def test_settings_without_a_corpus_are_refused(spark):
    with pytest.raises(ConfigError, match="corpus is missing"):
        prepare(spark, Settings(name="test"))


@pytest.mark.parametrize("path", ["absent.txt", "absent/*.txt", "nosuchscheme://host/file"])
def test_a_missing_corpus_is_named(spark, tmp_path, path):
    location = path if "://" in path else tmp_path / path
    with pytest.raises(CorpusError, match=path.replace("*", r"\*")):
        prepare(spark, settings(tmp_path, location))


def test_an_empty_corpus_is_refused(spark, tmp_path):
    (tmp_path / "empty.txt").touch()
    with pytest.raises(CorpusError, match="empty"):
        prepare(spark, settings(tmp_path, tmp_path / "empty.txt"))


@pytest.mark.parametrize("text", ["\n \n", "... !!!\n"])
def test_a_corpus_without_a_word_is_refused(spark, tmp_path, text):
    path = tmp_path / "blank.txt"
    path.write_text(text)
    with pytest.raises(CorpusError, match="no word"):
        prepare(spark, settings(tmp_path, path))
    assert_nothing_committed(tmp_path)


def test_too_high_a_min_count_is_answered_with_the_highest_count(spark, tmp_path):
    path = tmp_path / "few.txt"
    path.write_text("a a a b\n")
    with pytest.raises(CorpusError, match=r"occurs 4 times .*the most frequent occurs 3 times"):
        prepare(spark, settings(tmp_path, path, corpus={"held_out": 0}, vocabulary={"min_count": 4}))
    assert_nothing_committed(tmp_path)


def test_sentences_of_single_words_are_refused(spark, tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("a\nb\n")
    with pytest.raises(CorpusError, match="two words"):
        prepare(spark, settings(tmp_path, path, corpus={"held_out": 0}, vocabulary={"min_count": 1}))


def test_a_damaged_archive_is_named(spark, tmp_path):
    path = tmp_path / "damaged.txt.gz"
    path.write_bytes(gzip.compress(TEXT.encode())[:500])
    with pytest.raises(CorpusError, match="damaged"):
        prepare(spark, settings(tmp_path, path))
    assert_nothing_committed(tmp_path)


def test_bytes_that_are_not_utf8_are_counted(spark, tmp_path):
    path = tmp_path / "latin1.txt"
    path.write_bytes("caf\xe9 and tea\ntea and scones\n".encode("latin-1"))
    snapshot = prepare(spark, settings(tmp_path, path, corpus={"held_out": 0}))
    assert snapshot.table(SENTENCES)[1].measures["documents_not_utf8"] == 1


def test_a_folder_that_cannot_be_made_is_named(spark, tmp_path, corpus):
    (tmp_path / "snapshot").write_text("a file where the folder should be")
    with pytest.raises(SetupError, match="snapshot"):
        prepare(spark, settings(tmp_path, corpus))


def test_a_damaged_table_of_an_earlier_run_is_not_built_upon(spark, tmp_path, corpus):
    snapshot = prepare(spark, settings(tmp_path, corpus))
    folder, manifest = snapshot.table(SENTENCES)
    os.truncate(Path(folder.path, manifest.parts[0].name), 100)
    with pytest.raises(SnapshotError, match="prepare again"):
        prepare(spark, settings(tmp_path, corpus))

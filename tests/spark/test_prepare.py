"""The chain: what it leaves on disk, what it does again, and what it says of bad input."""

import bz2
import gzip
import inspect
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from embtrain.config import CorpusSettings, Settings
from embtrain.errors import ConfigError, CorpusError, SetupError, SnapshotError
from embtrain.manifest import MANIFEST
from embtrain.schema import HELD_OUT, SENTENCES, SEQUENCES, UNIGRAM, VOCABULARY
from pipelines import sentences as sentences_module
from pipelines import sequences as sequences_module
from pipelines.prepare import prepare
from pipelines.sentences import sentences_stage
from pipelines.sources import list_sources
from pipelines.store import writable_folder
from snapshots import assert_nothing_committed, opened, read, settings, vocabulary_of

pytestmark = pytest.mark.spark

AFTER_SENTENCES = {"vocabulary", "unigram", "sequences", "held_out"}
ROOT = Path(__file__).parents[2]
TEXT = "".join(f"Word {i % 7} and word {i % 11} meet again. Then {i} goes home!\n" for i in range(200))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def finished(spark, corpus, tmp_path_factory):
    """Give a folder with the snapshot of a finished run; tests that write take ``folder``, a copy."""
    folder = tmp_path_factory.mktemp("finished")
    prepare(spark, settings(folder, corpus))
    return folder


@pytest.fixture
def folder(finished, tmp_path):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path


# --- what is written -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [SENTENCES, VOCABULARY, UNIGRAM, SEQUENCES, HELD_OUT], ids=lambda table: table.name)
def test_every_table_is_there_and_whole(finished, table):
    snapshot = opened(finished)
    assert read(snapshot, table).num_rows == snapshot.table(table)[1].rows > 0


def test_the_snapshot_returned_is_the_one_committed(spark, folder, corpus):
    assert prepare(spark, settings(folder, corpus)) == opened(folder)


@pytest.mark.parametrize("table", [SENTENCES, SEQUENCES, HELD_OUT], ids=lambda table: table.name)
def test_a_manifest_counts_the_tokens(finished, table):
    snapshot = opened(finished)
    assert snapshot.table(table)[1].tokens == len(read(snapshot, table).column(0).combine_chunks().flatten())


def test_a_manifest_says_what_was_read_and_held_out(finished):
    _, manifest = opened(finished).table(SENTENCES)
    held_out = read(opened(finished), SENTENCES)["held_out"].to_pylist().count(True)
    counted = {name: count for name, count in manifest.measures.items() if count}
    assert counted == {"documents": 200, "sentences": 400, "held_out": held_out}


def test_what_is_too_short_or_too_long_is_counted_and_reported(spark, tmp_path, caplog):
    path = tmp_path / "lengths.txt"
    path.write_text("One. One two. One two threefour. Threefour. One two three.\n", encoding="utf-8")
    options = {"held_out": 0, "min_sentence_tokens": 2, "max_token_characters": 5}
    with caplog.at_level("INFO"):
        snapshot = prepare(spark, settings(tmp_path, path, corpus=options, vocabulary={"min_count": 1}))
    tokens = read(snapshot, SENTENCES)["tokens"].to_pylist()
    assert sorted(tokens) == [["one", "two"], ["one", "two", "three"]]
    expected = "5 sentences; dropped 2 as too short, 2 tokens as too long, 1 duplicates; kept 2 with 5 tokens"
    assert expected in caplog.text


def test_counts_are_of_the_training_sentences(finished):
    sentences = read(opened(finished), SENTENCES).to_pylist()
    counts = Counter(token for row in sentences if not row["held_out"] for token in row["tokens"])
    assert vocabulary_of(opened(finished)) == {token: count for token, count in counts.items() if count >= 2}


@pytest.mark.parametrize("tokens", [100, 700, 900])
def test_a_file_is_cut_in_equal_row_groups_of_as_many_tokens_as_wanted_or_fewer(spark, tmp_path, monkeypatch, tokens):
    monkeypatch.setattr(sequences_module, "ROW_GROUP_TOKENS", tokens)
    path = tmp_path / "even.txt"
    path.write_text("".join(f"sentence {i % 20} of {i // 20} here\n" for i in range(400)))
    options = {"corpus": {"held_out": 0}, "vocabulary": {"min_count": 1}, "spark": {"partitions": 1}}
    _, manifest = prepare(spark, settings(tmp_path, path, **options)).table(SEQUENCES)
    (part,) = manifest.parts
    assert len(part.row_groups) == math.ceil(2000 / tokens)
    assert max(part.row_groups) - min(part.row_groups) < len(part.row_groups)


def test_the_same_text_gives_the_same_tables_however_it_lies_on_disk(spark, finished, tmp_path):
    lines = TEXT.splitlines(keepends=True)
    (tmp_path / "a.txt").write_text("".join(lines[150:]), encoding="utf-8")
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress("".join(lines[:80]).encode()))
    (tmp_path / "c.txt.bz2").write_bytes(bz2.compress("".join(lines[80:150]).encode()))
    many = prepare(spark, settings(tmp_path, tmp_path / "*.txt*"))
    tables = (SENTENCES, VOCABULARY, SEQUENCES, HELD_OUT)
    assert all(read(many, table) == read(opened(finished), table) for table in tables)


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


def test_korean_morphemes_are_prepared(spark, tmp_path):
    pytest.importorskip("kiwipiepy", reason="Kiwi is an extra: pip install -e '.[korean]'")
    path = tmp_path / "ko.txt"
    path.write_text("고양이는 동물이다. 고양이가 잔다.\n개도 동물이다.\n", encoding="utf-8")
    options = {"language": "ko", "tokenizer": "morphemes", "held_out": 0}
    snapshot = prepare(spark, settings(tmp_path, path, corpus=options))
    assert vocabulary_of(snapshot) == {"고양이": 2, "동물": 2}
    assert ["고양이", "자다"] in read(snapshot, SENTENCES)["tokens"].to_pylist()


# --- what is done again --------------------------------------------------------------------------------------------


def manifests(folder):
    return {path: path.stat().st_mtime_ns for path in (folder / "snapshot").glob(f"*/{MANIFEST}")}


def redone(folder, before):
    return {
        path.parent.name.split("-")[0] for path, written in manifests(folder).items() if before.get(path) != written
    }


def test_nothing_is_done_again_when_nothing_has_changed(spark, folder, corpus):
    before = manifests(folder)
    prepare(spark, settings(folder, corpus))
    assert manifests(folder) == before


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"unigram": {"negative_exponent": 0.5}}, {"unigram"}),
        ({"vocabulary": {"min_count": 3}}, AFTER_SENTENCES),
        ({"corpus": {"lowercase": False}}, {"sentences", *AFTER_SENTENCES}),
        ({"train": {"epochs": 9}}, set()),
    ],
)
def test_a_changed_setting_redoes_what_depends_on_it(spark, folder, corpus, changed, expected):
    before = manifests(folder)
    prepare(spark, settings(folder, corpus, **changed))
    assert redone(folder, before) == expected


def test_a_changed_file_redoes_everything(spark, tmp_path):
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(TEXT, encoding="utf-8")
    prepare(spark, settings(tmp_path, corpus))
    before = manifests(tmp_path)
    corpus.write_text(TEXT + "One more sentence.\n", encoding="utf-8")
    prepare(spark, settings(tmp_path, corpus))
    assert redone(tmp_path, before) == {"sentences", "dropped", *AFTER_SENTENCES}


@pytest.mark.parametrize(
    ("module", "tables"),
    [
        ("embtrain.text.normalise", {"sentences", *AFTER_SENTENCES}),
        ("pipelines.vocabulary", AFTER_SENTENCES),
        ("pipelines.unigram", {"unigram"}),
    ],
)
def test_changed_code_redoes_the_stages_that_depend_on_it(spark, folder, corpus, module, tables, monkeypatch):
    source, before = inspect.getsource, manifests(folder)
    monkeypatch.setattr(
        inspect, "getsource", lambda code: source(code) + ("# Changed." if code.__name__ == module else "")
    )
    prepare(spark, settings(folder, corpus))
    assert redone(folder, before) == tables


def test_another_version_of_kiwi_redoes_what_depends_on_its_morphemes(spark, tmp_path, monkeypatch):
    pytest.importorskip("kiwipiepy", reason="Kiwi is an extra: pip install -e '.[korean]'")
    path = tmp_path / "ko.txt"
    path.write_text("고양이가 동물과 잔다.\n", encoding="utf-8")
    corpus = CorpusSettings(paths=[str(path)], language="ko", tokenizer="morphemes")
    sources = list_sources(spark, corpus)

    def made_from():
        return sentences_stage(spark, sources, corpus, near_duplicates=None, partitions=2).made_from

    before = made_from()
    assert before == made_from()
    monkeypatch.setattr(sentences_module, "kiwi_version", lambda: "another")
    assert before != made_from()


def test_an_earlier_snapshot_stays_readable_after_a_new_one(spark, folder, corpus):
    earlier = opened(folder)
    prepare(spark, settings(folder, corpus, unigram={"negative_exponent": 0.5}))
    assert read(earlier, UNIGRAM) != read(opened(folder), UNIGRAM)


def test_a_killed_run_leaves_no_snapshot_and_is_picked_up_where_it_was(spark, finished, tmp_path, corpus):
    kill_while_writing("vocabulary", tmp_path, corpus)
    with pytest.raises(SnapshotError, match="is not finished"):
        opened(tmp_path)
    before = manifests(tmp_path)
    assert redone(tmp_path, {}) == {"sentences", "dropped"}
    snapshot = prepare(spark, settings(tmp_path, corpus))
    assert redone(tmp_path, before) == AFTER_SENTENCES
    tables = (SENTENCES, VOCABULARY, SEQUENCES, HELD_OUT)
    assert all(read(snapshot, table) == read(opened(finished), table) for table in tables)


def test_a_run_that_is_told_to_end_lets_go_of_its_lease(tmp_path, corpus):
    assert kill_while_writing("sentences", tmp_path, corpus, by=signal.SIGTERM) == 143
    assert list((tmp_path / "snapshot").glob(".lease*")) == []


def kill_while_writing(table, folder, corpus, by=signal.SIGKILL):
    """Start a run of its own, kill all its processes as soon as the table's folder is there, and return its code."""
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
    os.killpg(run.pid, by)
    return run.wait()


# --- bad input -----------------------------------------------------------------------------------------------------


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


def test_tokens_to_be_kept_that_never_occur_are_named(spark, folder, corpus, caplog):
    caplog.set_level("INFO", "pipelines")
    prepare(spark, settings(folder, corpus, vocabulary={"min_count": 100, "always_keep": ["6", "Word", "tokyo"]}))
    assert "of vocabulary.always_keep these never occur: Word, tokyo" in caplog.text
    assert vocabulary_of(opened(folder))["6"] < 100


def test_a_corpus_of_dropped_words_alone_is_refused(spark, tmp_path):
    path = tmp_path / "few.txt"
    path.write_text("the a\n")
    options = {"corpus": {"held_out": 0}, "vocabulary": {"min_count": 1, "always_drop": ["the", "a"]}}
    with pytest.raises(CorpusError, match=r"always_drop"):
        prepare(spark, settings(tmp_path, path, **options))


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


def test_bytes_that_are_not_utf8_part_words_and_are_counted(spark, tmp_path):
    path = tmp_path / "latin1.txt"
    path.write_bytes(b"tea\xe9and tea\ntea and scones\n")
    snapshot = prepare(spark, settings(tmp_path, path, corpus={"held_out": 0}))
    assert vocabulary_of(snapshot) == {"tea": 3, "and": 2}
    assert snapshot.table(SENTENCES)[1].measures["documents_not_utf8"] == 1


def test_a_folder_that_cannot_be_made_is_named(spark, tmp_path, corpus):
    (tmp_path / "snapshot").write_text("a file where the folder should be")
    with pytest.raises(SetupError, match="snapshot"):
        prepare(spark, settings(tmp_path, corpus))


def test_a_snapshot_may_lie_in_a_folder_of_any_name(spark, tmp_path, corpus):
    folder = tmp_path / "draft [2] é"
    folder.mkdir()
    assert prepare(spark, settings(folder, corpus)).table(SEQUENCES)[1].rows > 0


def test_a_path_is_on_this_machine_whatever_the_default_file_system(spark, tmp_path, corpus):
    hadoop = spark.sparkContext._jsc.hadoopConfiguration()
    before = hadoop.get("fs.defaultFS")
    hadoop.set("fs.defaultFS", "hdfs://nowhere.invalid:1")
    try:
        snapshot = prepare(spark, settings(tmp_path, f"file://{corpus}"))
    finally:
        hadoop.set("fs.defaultFS", before)
    assert snapshot.table(SEQUENCES)[1].rows > 0


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that not even root can write to")
def test_a_folder_that_is_there_and_cannot_be_written_to_is_named():
    with pytest.raises(SetupError, match=r"^cannot write to /proc .*name another folder$"):
        writable_folder("/proc")


def test_seeing_if_a_folder_can_be_written_to_leaves_nothing_in_it(tmp_path):
    writable_folder(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_share_that_holds_out_every_sentence_is_named(spark, tmp_path):
    path = tmp_path / "few.txt"
    path.write_text("one two\nthree four\n")
    with pytest.raises(CorpusError, match=r"corpus\.held_out=0\.999 .*all 2 sentences.*lower it"):
        prepare(spark, settings(tmp_path, path, corpus={"held_out": 0.999}))
    assert_nothing_committed(tmp_path)


def test_a_damaged_table_of_an_earlier_run_is_not_built_upon(spark, folder, corpus):
    location, manifest = opened(folder).table(SENTENCES)
    os.truncate(Path(location.path, manifest.parts[0].name), 100)
    with pytest.raises(SnapshotError, match="prepare again"):
        prepare(spark, settings(folder, corpus))

"""Documents that are dropped on the way to a snapshot: said, listed, and no danger to the rest."""

import pytest

from embtrain.errors import CorpusError
from embtrain.schema import DROPPED, SENTENCES, SEQUENCES
from pipelines.prepare import prepare
from snapshots import assert_nothing_committed, read, settings, vocabulary_of

pytestmark = pytest.mark.spark


def test_what_is_dropped_is_counted_said_and_listed(spark, tmp_path, caplog):
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"text": "one bird"}\n{"text": "one bird two"}\n{"text": ""}\n{"text": \n')
    caplog.set_level("INFO", "pipelines")
    options = {"format": "json", "max_document_bytes": 10, "held_out": 0}
    snapshot = prepare(spark, settings(tmp_path, path, corpus=options, vocabulary={"min_count": 1}))
    assert vocabulary_of(snapshot) == {"bird": 1, "one": 1}
    assert "read 4 documents, dropped 1 (malformed), 1 (no text), 1 (too long): 1 sentences" in caplog.text
    rows = {(row["reason"], row["excerpt"]) for row in read(snapshot, DROPPED).to_pylist()}
    assert rows == {("malformed", '{"text": '), ("no text", ""), ("too long", "one bird two")}


def test_a_corpus_of_which_all_is_dropped_is_refused_with_the_reasons(spark, tmp_path):
    path = tmp_path / "long.txt"
    path.write_text("one two three\n")
    with pytest.raises(CorpusError, match=r"no word in the corpus .*: read 1 documents, dropped 1 \(too long\)$"):
        prepare(spark, settings(tmp_path, path, corpus={"max_document_bytes": 5}))
    assert_nothing_committed(tmp_path)


def test_the_tables_are_the_same_whatever_the_partitions_of_the_source(spark, tmp_path):
    path = tmp_path / "corpus.tsv"
    path.write_text("text\n" + "".join(f"{'word ' * (i % 9)}and {i}\n\n" for i in range(400)))
    options = {"format": "tsv", "max_document_bytes": 40}
    snapshots = []
    for name, split in (("few", 1 << 20), ("many", 1000)):
        spark.conf.set("spark.sql.files.maxPartitionBytes", split)
        snapshots.append(prepare(spark, settings(tmp_path / name, path, corpus=options)))
    spark.conf.unset("spark.sql.files.maxPartitionBytes")
    assert all(read(snapshots[0], table) == read(snapshots[1], table) for table in (DROPPED, SENTENCES, SEQUENCES))

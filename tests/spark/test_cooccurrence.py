"""The table of co-occurrences: the same cells however Spark cuts the work, and what is said of bad input."""

import numpy as np
import pyarrow.parquet as pq
import pytest

import reference
from embtrain.config import CooccurrenceSettings, Settings
from embtrain.errors import CorpusError
from embtrain.manifest import MANIFEST, Snapshot
from embtrain.schema import COOCCURRENCE, SEQUENCES, VOCABULARY
from pipelines.cooccurrence import count_cooccurrences
from pipelines.prepare import prepare

pytestmark = pytest.mark.spark

TEXT = "".join(f"Word {i % 7} and word {i % 11} meet again. Then {i % 60} goes home!\n" for i in range(200))
TRIPLES = """
    SELECT row, cell.columns AS column, cell.weights AS weight
    FROM cooccurrence LATERAL VIEW explode(arrays_zip(columns, weights)) AS cell
"""


def settings(folder, **sections):
    defaults = {"tables": ["cooccurrence"], "vocabulary": {"min_count": 2}, "spark": {"partitions": 2}}
    corpus = {"paths": [str(folder / "corpus.txt")], "held_out": 0.1}
    return Settings(name="test", snapshot=str(folder / "snapshot"), corpus=corpus, **(defaults | sections))


@pytest.fixture(scope="module")
def folder(spark, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cooccurrence")
    (folder / "corpus.txt").write_text(TEXT, encoding="utf-8")
    prepare(spark, settings(folder))
    return folder


@pytest.fixture
def snapshot(folder):
    return Snapshot.open(str(folder / "snapshot"))


def frame_of(spark, snapshot, table):
    location, _ = snapshot.table(table)
    return spark.read.schema(table.spark_ddl).parquet(location.for_spark)


def stored_rows(snapshot):
    location, manifest = snapshot.table(COOCCURRENCE)
    return [row for part in manifest.parts for row in pq.read_table(f"{location.path}/{part.name}").to_pylist()]


def sequences_of(spark, snapshot):
    return [row.ids for row in frame_of(spark, snapshot, SEQUENCES).collect()]


def test_the_table_read_as_triples_holds_what_the_training_sequences_hold(spark, snapshot):
    frame_of(spark, snapshot, COOCCURRENCE).createOrReplaceTempView("cooccurrence")
    found = {(cell.row, cell.column): cell.weight for cell in spark.sql(TRIPLES).collect()}
    assert found == pytest.approx(reference.cooccurrences(sequences_of(spark, snapshot), 10), rel=2e-7)


def test_the_manifest_counts_the_cells(spark, snapshot):
    _, manifest = snapshot.table(COOCCURRENCE)
    cells = reference.cooccurrences(sequences_of(spark, snapshot), 10)
    assert manifest.measures == {"cells": len(cells), "dropped_cells": 0}
    assert manifest.rows == len({row for row, _ in cells}) == snapshot.table(VOCABULARY)[1].rows


@pytest.mark.parametrize("partitions", [1, 3])
def test_rows_are_the_same_bit_for_bit_and_in_the_same_order_however_the_text_is_cut(spark, snapshot, partitions):
    sequences = frame_of(spark, snapshot, SEQUENCES).orderBy("ids").repartition(partitions)
    rows = count_cooccurrences(
        sequences, CooccurrenceSettings(), vocab_size=snapshot.table(VOCABULARY)[1].rows, partitions=2
    )
    assert [row.asDict() for row in rows.drop("dropped").collect()] == stored_rows(snapshot)


def test_rows_lie_in_no_order(snapshot):
    rows = np.array([row["row"] for row in stored_rows(snapshot)])
    # Of a random order, half of the steps go up; the standard deviation is below 0.1 of that here.
    assert 0.3 < (np.diff(rows) > 0).mean() < 0.7


def test_the_table_is_made_only_where_it_is_wanted(spark, folder):
    assert "cooccurrence" not in prepare(spark, settings(folder, tables=[])).tables
    assert "cooccurrence" in prepare(spark, settings(folder)).tables


def test_a_changed_window_counts_again_and_does_nothing_else(spark, folder):
    before, after = (prepare(spark, settings(folder, cooccurrence={"window": window})).tables for window in (10, 3))
    assert {table for table in before if before[table] != after[table]} == {"cooccurrence"}


def test_too_high_a_min_weight_is_named(spark, folder):
    with pytest.raises(CorpusError, match=r"cooccurrence\.min_weight=1e\+09; lower it"):
        prepare(spark, settings(folder, cooccurrence={"min_weight": 1e9}))
    assert all((path / MANIFEST).exists() for path in (folder / "snapshot").glob("cooccurrence-*"))

"""The tables that a run file asks for: there if named, and of the same ids as the vocabulary."""

from typing import get_args

import pytest

from embtrain.config import FurtherTable
from embtrain.errors import SnapshotError
from embtrain.schema import CHARACTERS, COOCCURRENCE, DOCUMENT_TERMS, SUBWORDS, VOCABULARY
from pipelines.prepare import prepare
from snapshots import opened, read, settings, vocabulary_of

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    path.write_text("".join(f"Word {i % 7} met word {i % 11}. Then {i} went home!\n" for i in range(100)))
    return path


@pytest.fixture(scope="module")
def snapshot(spark, corpus, tmp_path_factory):
    tables = [*get_args(FurtherTable), "subwords"]
    return prepare(spark, settings(tmp_path_factory.mktemp("all"), corpus, tables=tables))


@pytest.mark.parametrize("table", [SUBWORDS, CHARACTERS], ids=lambda table: table.name)
def test_each_token_has_a_row(snapshot, table):
    assert read(snapshot, table)["id"] == read(snapshot, VOCABULARY)["id"]


def test_each_document_has_a_row_with_the_vocabulary_s_ids(snapshot):
    rows = read(snapshot, DOCUMENT_TERMS).to_pylist()
    tokens = read(snapshot, VOCABULARY)["token"].to_pylist()
    first = next(row for row in rows if row["beginning"] == "Word 0 met word 0. Then 0 went home!")
    counts = {tokens[term]: count for term, count in zip(first["terms"], first["counts"], strict=True)}
    assert counts == {"word": 2, "0": 3, "met": 1, "then": 1, "went": 1, "home": 1}
    assert len(rows) == 100


def test_the_neighbours_of_a_token_are_counted(snapshot):
    tokens = read(snapshot, VOCABULARY)["token"].to_pylist()
    (row,) = (row for row in read(snapshot, COOCCURRENCE).to_pylist() if tokens[row["row"]] == "home")
    weights = {tokens[column]: weight for column, weight in zip(row["columns"], row["weights"], strict=True)}
    # Beside each other, where they stand.
    assert weights["went"] == vocabulary_of(snapshot)["home"] > 1


def test_a_table_is_not_made_unless_asked_for(spark, corpus, tmp_path):
    prepare(spark, settings(tmp_path, corpus))
    with pytest.raises(SnapshotError, match="no table 'subwords'"):
        opened(tmp_path).table(SUBWORDS)

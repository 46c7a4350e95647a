"""What tells two words apart: shares of their rows, read from a table of which most is left alone."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpora import write_snapshot
from embtrain.cli import main
from embtrain.cooccurrence_ratios import compare
from embtrain.data.cooccurrence import read_rows
from embtrain.errors import CorpusError, SnapshotError, UnknownWordError
from embtrain.manifest import Manifest, Snapshot, read_parts, write_manifest
from embtrain.schema import COOCCURRENCE

# By descending count, as the vocabulary will number them.
TOKENS = ["water", "ice", "steam", "solid", "gas", "fashion", "alone"]
COUNTS = [9, 8, 7, 6, 5, 4, 3]
WATER, ICE, STEAM, SOLID, GAS, FASHION, ALONE = range(7)
ROWS = {
    WATER: {ICE: 4.0, STEAM: 4.0},
    ICE: {WATER: 4.0, SOLID: 3.0, GAS: 0.5, FASHION: 0.5},
    STEAM: {WATER: 4.0, SOLID: 0.5, GAS: 3.5},
    FASHION: {ICE: 0.5},
}


@pytest.fixture
def snapshot(tmp_path):
    """Give the words' counts as a snapshot, whose table has a row group for every two rows."""
    location = tmp_path / "snapshots" / "ratios"
    snapshot = write_snapshot(location, [[i] * count for i, count in enumerate(COUNTS)], TOKENS)
    folder = snapshot.location / "cooccurrence-toy"
    folder.filesystem.create_dir(folder.path)
    columns = [list(ROWS), [list(row) for row in ROWS.values()], [list(row.values()) for row in ROWS.values()]]
    rows = pa.table(columns, schema=COOCCURRENCE.arrow_schema)
    pq.write_table(rows, f"{folder.path}/part-0.parquet", row_group_size=2)
    write_manifest(folder, Manifest("cooccurrence", "toy", rows.num_rows, read_parts(folder, COOCCURRENCE)))
    Snapshot(snapshot.location, {**snapshot.tables, "cooccurrence": "cooccurrence-toy"}).commit()
    return Snapshot.open(str(location))


@pytest.fixture
def conf(snapshot, tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(f"name: ratios\nsnapshot: {snapshot.location}\n", encoding="utf-8")
    return str(path)


def test_a_row_is_read_with_its_cells(snapshot):
    rows = read_rows(snapshot, [STEAM, ICE])
    assert {i: dict(zip(row.columns.tolist(), row.weights.tolist(), strict=True)) for i, row in rows.items()} == {
        ICE: ROWS[ICE],
        STEAM: ROWS[STEAM],
    }


def test_a_token_without_neighbours_has_no_row(snapshot):
    assert read_rows(snapshot, [ALONE]) == {}


def test_cells_are_read_only_of_row_groups_that_hold_a_wanted_row(snapshot, monkeypatch):
    read, group_of = [], pq.ParquetFile.read_row_group
    monkeypatch.setattr(
        pq.ParquetFile,
        "read_row_group",
        lambda file, group, **options: read.append((group, options)) or group_of(file, group, **options),
    )
    read_rows(snapshot, [FASHION])
    assert read == [(0, {"columns": ["row"]}), (1, {"columns": ["row"]}), (1, {})]


def test_a_probability_is_a_cell_s_share_of_its_row(snapshot):
    solid, gas, water, fashion = compare(snapshot, "ice", "steam", ["solid", "gas", "water", "fashion"]).ratios
    assert (solid.p_first, solid.p_second, solid.ratio) == (3 / 8, 0.5 / 8, 6)
    assert (gas.p_first, gas.p_second, gas.ratio) == (0.5 / 8, 3.5 / 8, pytest.approx(1 / 7))
    assert water.ratio == 1
    assert (fashion.p_first, fashion.p_second, fashion.ratio) == (0.5 / 8, 0, None)


def test_the_command_prints_a_table(conf, capsys):
    assert main(["cooccurrence", "ice", "steam", "--with", "solid", "fashion", "--conf", conf]) == 0
    assert capsys.readouterr().out == (
        "         P(k|ice)  P(k|steam)  ratio\n"
        "solid    3.75e-01    6.25e-02      6\n"
        "fashion  6.25e-02    0.00e+00      -\n"
    )  # fmt: skip


def test_the_command_prints_one_json_object(conf, capsys):
    assert main(["cooccurrence", "ice", "steam", "--with", "solid", "--conf", conf, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "first": "ice",
        "second": "steam",
        "words": [{"word": "solid", "p_first": 0.375, "p_second": 0.0625, "ratio": 6.0}],
    }


def test_with_may_be_repeated_and_come_first(conf, capsys):
    assert main(["cooccurrence", "--with=gas", "--conf", conf, "ice", "steam", "--with", "solid", "water"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]] == ["gas", "solid", "water"]


def test_the_command_wants_a_word_to_compare_by(conf, capsys):
    assert main(["cooccurrence", "ice", "steam", "--conf", conf]) == 2
    assert "--with" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("icee", "steam", "gas"), ("ice", "icee", "gas"), ("ice", "steam", "icee")])
def test_an_unknown_word_is_answered_with_its_closest_spelling(snapshot, words):
    first, second, asked = words
    with pytest.raises(UnknownWordError, match=r"'icee' is not among the 7 words .*did you mean 'ice'"):
        compare(snapshot, first, second, [asked])


def test_a_word_without_neighbours_has_no_probabilities(snapshot):
    with pytest.raises(CorpusError, match="no word near 'alone'"):
        compare(snapshot, "ice", "alone", ["water"])


def test_a_snapshot_without_the_table_says_how_to_get_it(snapshot):
    tables = {name: folder for name, folder in snapshot.tables.items() if name != "cooccurrence"}
    with pytest.raises(SnapshotError, match=r"no table 'cooccurrence'; put `tables: \[cooccurrence\]`"):
        compare(Snapshot(snapshot.location, tables), "ice", "steam", ["water"])

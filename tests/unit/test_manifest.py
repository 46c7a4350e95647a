"""Manifests: a table counts only once it is committed, and only while its files are those of the manifest."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embtrain.errors import SnapshotError
from embtrain.manifest import (
    MANIFEST,
    Manifest,
    Part,
    Snapshot,
    fingerprint,
    read_manifest,
    read_parts,
    verify,
    write_manifest,
)
from embtrain.schema import SEQUENCES, VOCABULARY
from embtrain.storage import Location


def write_part(folder, name="part-0.parquet", rows=4):
    folder.mkdir(exist_ok=True)
    table = pa.table({"ids": [[i, i + 1] for i in range(rows)]}, schema=SEQUENCES.arrow_schema)
    pq.write_table(table, folder / name, row_group_size=3)


@pytest.fixture
def folder(tmp_path):
    """Return a committed table of four sequences, in row groups of three and one."""
    path = tmp_path / "sequences-abc"
    write_part(path)
    location = Location.of(path)
    parts = read_parts(location, SEQUENCES)
    write_manifest(location, Manifest("sequences", "abc", rows=4, parts=parts, tokens=8))
    return path


def refusal(path, table=SEQUENCES):
    location = Location.of(path)
    with pytest.raises(SnapshotError) as caught:
        verify(location, table, read_manifest(location))
    return str(caught.value)


def test_a_manifest_comes_back_as_it_was_written(tmp_path):
    manifest = Manifest(
        table="vocabulary",
        fingerprint="0123456789ab",
        rows=2,
        parts=[Part("part-0.parquet", 10, [1, 1])],
        made_from={"min_count": 5},
        measures={"kept": 2},
    )
    write_manifest(Location.of(tmp_path), manifest)
    assert read_manifest(Location.of(tmp_path)) == manifest


def test_a_folder_without_manifest_was_never_committed(tmp_path):
    write_part(tmp_path)
    assert read_manifest(Location.of(tmp_path)) is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"table": "x"}', '{"parts": [{"name": "p"}]}'])
def test_a_manifest_that_is_none_is_refused_with_advice(tmp_path, text):
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(SnapshotError, match=f"delete the folder {tmp_path} and run prepare again"):
        read_manifest(Location.of(tmp_path))


def test_parts_are_read_from_the_files_themselves(folder):
    part = folder / "part-0.parquet"
    assert read_parts(Location.of(folder), SEQUENCES) == [Part("part-0.parquet", part.stat().st_size, [3, 1])]


def test_a_table_as_it_was_committed_is_accepted(folder):
    location = Location.of(folder)
    verify(location, SEQUENCES, read_manifest(location))


def test_a_part_cut_short_after_the_commit_is_refused(folder):
    part = folder / "part-0.parquet"
    whole = part.read_bytes()
    part.write_bytes(whole[:-10])
    assert f"has {len(whole) - 10} bytes, its manifest says {len(whole)}" in refusal(folder)


def test_a_part_damaged_without_a_change_in_size_is_refused(folder):
    part = folder / "part-0.parquet"
    part.write_bytes(part.read_bytes()[:-4] + b"LOST")
    assert "part-0.parquet is not a whole Parquet file" in refusal(folder)


def test_a_part_cut_short_before_the_commit_is_refused(tmp_path):
    write_part(tmp_path)
    part = tmp_path / "part-0.parquet"
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(SnapshotError, match=r"part-0\.parquet is not a whole Parquet file"):
        read_parts(Location.of(tmp_path), SEQUENCES)


def test_an_empty_file_is_no_part(tmp_path):
    (tmp_path / "part-0.parquet").touch()
    with pytest.raises(SnapshotError, match="not a whole Parquet file"):
        read_parts(Location.of(tmp_path), SEQUENCES)


def test_a_missing_part_is_refused(folder):
    (folder / "part-0.parquet").unlink()
    assert "part-0.parquet is missing, but the table's manifest names it" in refusal(folder)


def test_a_surplus_part_is_refused(folder):
    write_part(folder, "part-1.parquet")
    assert "part-1.parquet is not in the table's manifest" in refusal(folder)


def test_a_manifest_of_another_table_is_refused(folder):
    assert "holds the table 'sequences', expected 'vocabulary'" in refusal(folder, VOCABULARY)


def test_a_part_with_other_row_groups_is_refused(folder):
    values = json.loads((folder / MANIFEST).read_text())
    values["parts"][0]["row_groups"] = [2, 2]
    (folder / MANIFEST).write_text(json.dumps(values))
    assert "are not those that its manifest lists" in refusal(folder)


def test_columns_of_another_table_are_refused(folder):
    with pytest.raises(SnapshotError, match="column 'id' must be int32"):
        read_parts(Location.of(folder), VOCABULARY)


def test_a_snapshot_gives_its_tables_once_committed(folder):
    Snapshot(Location.of(folder.parent), {"sequences": folder.name}).commit()
    found, manifest = Snapshot.open(str(folder.parent)).table(SEQUENCES)
    assert (found.path, manifest.tokens) == (str(folder), 8)


def test_a_snapshot_that_does_not_exist_is_told_apart_from_one_unfinished(tmp_path):
    with pytest.raises(SnapshotError, match="does not exist; run: embtrain prepare"):
        Snapshot.open(str(tmp_path / "none"))
    with pytest.raises(SnapshotError, match="is not finished; run: embtrain prepare"):
        Snapshot.open(str(tmp_path))


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_damaged_snapshot_file_is_refused(tmp_path, text):
    (tmp_path / "snapshot.json").write_text(text)
    with pytest.raises(SnapshotError, match=r"snapshot\.json is damaged"):
        Snapshot.open(str(tmp_path))


def test_a_snapshot_without_the_table_says_so(folder):
    with pytest.raises(SnapshotError, match="has no table 'vocabulary'"):
        Snapshot(Location.of(folder.parent), {"sequences": folder.name}).table(VOCABULARY)


def test_a_snapshot_refuses_a_table_that_was_never_committed(folder):
    (folder / MANIFEST).unlink()
    with pytest.raises(SnapshotError, match="was never finished"):
        Snapshot(Location.of(folder.parent), {"sequences": folder.name}).table(SEQUENCES)


def test_which_attempt_made_a_table_is_not_part_of_a_snapshots_version(tmp_path):
    versions = {
        Snapshot(Location.of(tmp_path), {"sequences": f"sequences-{name}"}).fingerprint
        for name in ("0123456789ab-000001", "0123456789ab-000002", "ba9876543210-000001")
    }
    assert len(versions) == 2


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
settings_like = st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), json_values, min_size=1, max_size=5)


@given(settings_like, st.randoms())
def test_the_order_of_keys_does_not_change_a_fingerprint(values, random):
    keys = list(values)
    random.shuffle(keys)
    assert fingerprint(**{key: values[key] for key in keys}) == fingerprint(**values)


@given(settings_like, json_values, st.data())
def test_any_other_value_changes_the_fingerprint(values, other, data):
    key = data.draw(st.sampled_from(sorted(values)))
    changed = {**values, key: other}
    same = json.dumps(changed, sort_keys=True) == json.dumps(values, sort_keys=True)
    assert (fingerprint(**changed) == fingerprint(**values)) is same


def test_a_fingerprint_is_twelve_hexadecimal_digits_that_last():
    assert fingerprint(min_count=5, inputs={"sentences": "abc"}) == "ede9bb8cfadc"

"""Pruning: what goes, what stays, and what is said."""

import json
import os
import shutil

import pytest

from corpora import two_topics
from embtrain.cli import main
from embtrain.errors import SetupError, SnapshotError
from embtrain.lease import held
from embtrain.manifest import MANIFEST, SNAPSHOT, Manifest, Snapshot, fingerprint, write_manifest
from embtrain.prune import prune
from embtrain.schema import SEQUENCES, VOCABULARY
from embtrain.storage import Location

SUPERSEDED = "vocabulary-0123456789ab-cdef01"
HALF_WRITTEN = "sequences-0123456789ab-cdef02"


@pytest.fixture
def snapshot(tmp_path):
    """Give the folder of a finished snapshot, in which an earlier vocabulary and half a table are left."""
    folder = tmp_path / "snapshot"
    made = two_topics(folder, sentences=20)
    committed = (folder / SNAPSHOT).stat().st_mtime
    shutil.copytree(made.location.path + "/" + made.tables["vocabulary"], folder / SUPERSEDED)
    os.utime(folder / SUPERSEDED / MANIFEST, (committed - 9, committed - 9))
    (folder / HALF_WRITTEN / "_temporary").mkdir(parents=True)
    (folder / HALF_WRITTEN / "_temporary" / "part").write_bytes(b"x" * 1000)
    return folder


def states(found):
    return {leftover.name: leftover.state for leftover in found}


def test_superseded_and_unfinished_tables_are_deleted(snapshot):
    assert states(prune(str(snapshot))) == {SUPERSEDED: "earlier", HALF_WRITTEN: "unfinished"}
    assert not (snapshot / SUPERSEDED).exists()
    assert not (snapshot / HALF_WRITTEN).exists()


def test_what_the_snapshot_names_stays_whole(snapshot):
    prune(str(snapshot))
    opened = Snapshot.open(str(snapshot))
    assert opened.table(VOCABULARY)
    assert opened.table(SEQUENCES)


def test_the_bytes_of_a_folder_are_those_of_all_its_files(snapshot):
    (half_written,) = (leftover for leftover in prune(str(snapshot)) if leftover.state == "unfinished")
    assert half_written.bytes == 1000


def test_a_dry_run_finds_the_same_and_deletes_nothing(snapshot):
    before = sorted(snapshot.rglob("*"))
    found = prune(str(snapshot), dry_run=True)
    assert sorted(snapshot.rglob("*")) == before
    assert found == prune(str(snapshot))


def test_a_table_that_was_finished_after_the_snapshot_stays(snapshot):
    later = (snapshot / SNAPSHOT).stat().st_mtime + 9
    os.utime(snapshot / SUPERSEDED / MANIFEST, (later, later))
    assert states(prune(str(snapshot)))[SUPERSEDED] == "newer"
    assert (snapshot / SUPERSEDED / MANIFEST).exists()


def test_what_the_tables_were_made_from_stays(tmp_path):
    location = Location.of(tmp_path)
    sources = {"sentences": None, "joined": "sentences", "vocabulary": "joined", "old": "sentences"}
    folders = {name: f"{name}-{fingerprint(name=name)}-000001" for name in sources}
    for name, source in sources.items():
        (tmp_path / folders[name]).mkdir()
        inputs = {"sentences": fingerprint(name=source)} if source else {"files": [{"path": "a.txt"}]}
        manifest = Manifest(name, fingerprint(name=name), rows=0, parts=[], made_from={"inputs": inputs})
        write_manifest(location / folders[name], manifest)
    Snapshot(location, {"vocabulary": folders["vocabulary"]}).commit()
    assert states(prune(str(tmp_path))) == {folders["old"]: "earlier"}


def test_what_is_no_table_is_left_alone(snapshot):
    (snapshot / "notes-of-mine").mkdir()
    (snapshot / "vocabulary.txt").write_text("mine")
    prune(str(snapshot))
    assert (snapshot / "notes-of-mine").exists()
    assert (snapshot / "vocabulary.txt").exists()


def test_what_is_left_of_a_half_written_snapshot_file_is_deleted(snapshot):
    crumb = f"{SNAPSHOT}.0123abcd.unfinished"
    (snapshot / crumb).write_text("{")
    assert states(prune(str(snapshot)))[crumb] == "unfinished"
    assert not (snapshot / crumb).exists()


@pytest.mark.parametrize("dry_run", [True, False])
def test_nothing_is_deleted_while_a_run_is_at_work(snapshot, dry_run):
    opened = Snapshot.open(str(snapshot))
    with held(opened.location, "embtrain prepare wiki"), pytest.raises(SetupError, match="embtrain prepare wiki"):
        prune(str(snapshot), dry_run=dry_run)
    assert (snapshot / HALF_WRITTEN).exists()


def test_without_a_finished_snapshot_nothing_is_deleted(snapshot):
    (snapshot / SNAPSHOT).unlink()
    with pytest.raises(SnapshotError, match="is not finished"):
        prune(str(snapshot))
    assert (snapshot / HALF_WRITTEN).exists()


def test_the_command_says_what_it_deletes_and_how_much(snapshot, tmp_path, capsys):
    conf = tmp_path / "run.yaml"
    conf.write_text(json.dumps({"name": "run", "snapshot": str(snapshot)}))
    assert main(["prune", "--conf", str(conf), "--dry-run"]) == 0
    half_written, superseded, total = capsys.readouterr().out.splitlines()
    assert half_written.split() == ["0.0", "MB", HALF_WRITTEN, "unfinished"]
    assert superseded.split()[2:] == [SUPERSEDED, "superseded"]
    assert total.startswith(f"would delete 2 tables and files of {snapshot}, 0.0 MB")
    assert main(["prune", "--conf", str(conf)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("deleted 2 ")
    assert main(["prune", "--conf", str(conf)]) == 0
    assert capsys.readouterr().out == f"deleted 0 tables and files of {snapshot}, 0.0 MB\n"

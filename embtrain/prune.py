"""Delete from a snapshot's folder what its ``snapshot.json`` no longer names.

There are tables of earlier settings, and what runs left that were killed. What stays: tables from which the named ones
were made, or the next run would make them again; and finished tables that are newer than ``snapshot.json``: they are of
a run that has not come to its end, and the next one goes on from them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pyarrow import fs

from embtrain.lease import held
from embtrain.manifest import MANIFEST, SNAPSHOT, Manifest, Snapshot, read_manifest
from embtrain.storage import UNFINISHED, Location

# Nothing in the folder is touched but tables' folders, named table-fingerprint-attempt, and what a run that was killed
# at that moment left of a file.
_TABLE_FOLDER = re.compile(r"[a-z_]+-[0-9a-f]{12}-[0-9a-f]{6}")
_UNFINISHED_FILE = re.compile(rf"(snapshot|\.lease-[0-9a-f]+)\.json\.[0-9a-f]+{re.escape(UNFINISHED)}")

State = Literal["earlier", "unfinished", "newer"]


@dataclass(frozen=True)
class Leftover:
    """A folder or file that the snapshot does not name."""

    place: Location
    bytes: int
    state: State
    """``earlier``: superseded. ``unfinished``: without manifest. ``newer``: finished after the snapshot; stays."""

    @property
    def name(self) -> str:
        """Return the name within the snapshot's folder."""
        return self.place.path.rpartition("/")[2]


def prune(location: str, *, dry_run: bool = False) -> list[Leftover]:
    """Delete what the snapshot does not name, unless another run is at work on it.

    Args:
        location: the snapshot's folder.
        dry_run: only look.

    Returns:
        What was found, by name; all but the ``newer`` is deleted.

    Raises:
        SnapshotError: if there is no finished snapshot: then nothing tells what is still wanted.
        SetupError: if a run is at work on it, or it cannot be written to.
    """
    folder = Snapshot.open(location).location
    with held(folder, "embtrain prune", exclusive=True):
        # Opened again: until the lease was held, a run may have finished another.
        found = sorted(_leftovers(Snapshot.open(location)), key=lambda leftover: leftover.name)
        if not dry_run:
            for leftover in found:
                if leftover.state != "newer":
                    _delete(leftover.place)
    return found


def _leftovers(snapshot: Snapshot) -> Iterator[Leftover]:
    location = snapshot.location
    entries = location.filesystem.get_file_info(fs.FileSelector(location.path))
    folders = [info.base_name for info in entries if info.type == fs.FileType.Directory]
    manifests = {name: read_manifest(location / name) for name in folders if _TABLE_FOLDER.fullmatch(name)}
    wanted = _wanted(snapshot, manifests)
    committed = _modified(location / SNAPSHOT)
    for name in manifests.keys() - wanted:
        folder, manifest = location / name, manifests[name]
        newer = manifest and _modified(folder / MANIFEST) > committed
        yield Leftover(folder, _bytes_below(folder), "newer" if newer else "earlier" if manifest else "unfinished")
    for info in entries:
        if info.type == fs.FileType.File and _UNFINISHED_FILE.fullmatch(info.base_name):
            yield Leftover(location / info.base_name, info.size, "unfinished")


def _wanted(snapshot: Snapshot, manifests: dict[str, Manifest | None]) -> set[str]:
    """Name the folders of the snapshot's tables, and of the tables that these were made from."""
    by_fingerprint = {manifest.fingerprint: name for name, manifest in manifests.items() if manifest}
    wanted: set[str] = set()
    waiting = list(snapshot.tables.values())
    while waiting:
        name = waiting.pop()
        wanted.add(name)
        manifest = manifests.get(name)
        inputs = manifest.made_from.get("inputs", {}).values() if manifest else ()
        made_from = {by_fingerprint[value] for value in inputs if isinstance(value, str) and value in by_fingerprint}
        waiting += made_from - wanted
    return wanted


def _modified(file: Location) -> int:
    """Return when a file was written, in nanoseconds since 1970."""
    return int(file.filesystem.get_file_info(file.path).mtime_ns)


def _bytes_below(folder: Location) -> int:
    selector = fs.FileSelector(folder.path, recursive=True)
    return sum(info.size for info in folder.filesystem.get_file_info(selector) if info.type == fs.FileType.File)


def _delete(place: Location) -> None:
    """Delete a file, or a folder: its manifest first, so that half a folder is never taken for a table."""
    manifest = place / MANIFEST
    if manifest.exists():
        manifest.filesystem.delete_file(manifest.path)
    if place.filesystem.get_file_info(place.path).type == fs.FileType.File:
        place.filesystem.delete_file(place.path)
    else:
        place.remove()

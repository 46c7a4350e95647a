"""Manifests: what a table was made from and what it holds. Writing one is the commit of the table.

A snapshot is a folder::

    snapshot.json                         which folder holds each table; written last
    vocabulary-3f1c9a0b7d24-5e02b7/       named after the table's fingerprint, and the attempt that made it
        part-00000-….parquet …
        _manifest.json                    written after all parts

The fingerprint is a hash of all that the table depends on: its settings, the code that makes it, and the
fingerprints of its inputs. So a stage whose inputs, settings and code are as before finds its table
there and is skipped; one that was killed left a folder without manifest, which the next run passes over; and a
table, once committed, never changes, so that a training that reads it is not disturbed by a new run.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import embtrain
from embtrain.errors import SnapshotError
from embtrain.schema import CHARACTERS, COOCCURRENCE, DOCUMENT_TERMS, SUBWORDS, Table
from embtrain.storage import Location

MANIFEST = "_manifest.json"
SNAPSHOT = "snapshot.json"

# How to get the tables that not every run file asks for.
_ASKED_FOR_BY = {
    SUBWORDS.name: "run prepare with model.type fasttext",
    CHARACTERS.name: "run prepare with model.type elmo",
    COOCCURRENCE.name: "put `tables: [cooccurrence]` into the run file, and run prepare again",
    DOCUMENT_TERMS.name: "put `tables: [document_terms]` into the run file, and run prepare again",
}


def fingerprint(**parts: Any) -> str:
    """Hash JSON-able parts to 12 hexadecimal digits, whatever the order of their keys."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Part:
    """One Parquet file of a table: name, size in bytes, rows per row group."""

    name: str
    bytes: int
    row_groups: list[int]


@dataclass(frozen=True)
class Manifest:
    """What a table was made from (``made_from``) and what it holds."""

    table: str
    fingerprint: str
    rows: int
    parts: list[Part]
    tokens: int | None = None
    """Tokens in the rows, for tables of sentences."""
    made_from: dict[str, Any] = field(default_factory=dict)
    """Settings, code version, and the fingerprints of the input tables or files."""
    measures: dict[str, Any] = field(default_factory=dict)
    """What the stage read, kept and dropped."""
    embtrain_version: str = embtrain.__version__


def read_manifest(folder: Location) -> Manifest | None:
    """Return the manifest of a table's folder, or None where it was never committed.

    Raises:
        SnapshotError: if the file is there but is no manifest.
    """
    try:
        values = (folder / MANIFEST).read_json()
        if values is None:
            return None
        return Manifest(**{**values, "parts": [Part(**part) for part in values["parts"]]})
    except (ValueError, TypeError, KeyError) as error:
        raise SnapshotError(
            f"{folder / MANIFEST} is not a manifest ({error}); delete the folder {folder} and run prepare again"
        ) from None


def write_manifest(folder: Location, manifest: Manifest) -> None:
    """Commit a table whose parts are all in place."""
    (folder / MANIFEST).write_json(asdict(manifest))


def read_parts(folder: Location, table: Table) -> list[Part]:
    """Read the footers of the Parquet files in a folder.

    Raises:
        SnapshotError: if a file is damaged or has other columns than the table.
    """
    parts = []
    for info in folder.files():
        try:
            file = pq.ParquetFile(info.path, filesystem=folder.filesystem)
        except (pa.ArrowException, OSError) as error:
            raise SnapshotError(f"{folder / info.base_name} is not a whole Parquet file: {error}") from None
        with file:
            table.check(file.schema_arrow, where=str(folder / info.base_name))
            groups = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
        parts.append(Part(info.base_name, info.size, groups))
    return parts


def verify(folder: Location, table: Table, manifest: Manifest) -> None:
    """Check that the table's files are those that the manifest names, whole and unchanged in size.

    Raises:
        SnapshotError: naming the first file that differs, and how.
    """
    advice = f"delete the folder {folder} and run prepare again"
    if manifest.table != table.name:
        raise SnapshotError(f"{folder} holds the table {manifest.table!r}, expected {table.name!r}; {advice}")
    found = {info.base_name: info.size for info in folder.files()}
    for part in manifest.parts:
        if part.name not in found:
            raise SnapshotError(f"{folder / part.name} is missing, but the table's manifest names it; {advice}")
        if found[part.name] != part.bytes:
            raise SnapshotError(
                f"{folder / part.name} has {found[part.name]} bytes, its manifest says {part.bytes}: "
                f"it was changed or cut short after it was written; {advice}"
            )
    surplus = sorted(set(found) - {part.name for part in manifest.parts})
    if surplus:
        raise SnapshotError(f"{folder / surplus[0]} is not in the table's manifest; {advice}")
    if sorted(read_parts(folder, table), key=lambda part: part.name) != sorted(
        manifest.parts, key=lambda part: part.name
    ):
        raise SnapshotError(f"the row groups in {folder} are not those that its manifest lists; {advice}")


@dataclass(frozen=True)
class Snapshot:
    """A complete set of tables, read from its ``snapshot.json``."""

    location: Location
    tables: dict[str, str]
    """Folder of each table, below the location."""

    @classmethod
    def open(cls, location: str) -> Snapshot:
        """Open a snapshot that ``prepare`` has finished.

        Raises:
            SnapshotError: if there is none, or it was never finished.
        """
        folder = Location.of(location)
        try:
            values = (folder / SNAPSHOT).read_json()
        except ValueError as error:
            raise SnapshotError(f"{folder / SNAPSHOT} is damaged ({error}); run prepare again") from None
        if values is None:
            state = "is not finished" if folder.exists() else "does not exist"
            raise SnapshotError(f"the snapshot {location} {state}; run: embtrain prepare --conf RUN.yaml")
        if not isinstance(values.get("tables"), dict):
            raise SnapshotError(f"{folder / SNAPSHOT} is damaged (it names no tables); run prepare again")
        return cls(folder, values["tables"])

    def commit(self) -> None:
        """Make this the snapshot that readers of its location find."""
        (self.location / SNAPSHOT).write_json({"tables": self.tables})

    @property
    def fingerprint(self) -> str:
        """Return one hash over all tables: the snapshot's version, as MLflow logs it.

        Which attempt made a table does not count: the same files, with the same paths and times of modification, the
        same settings and code give the same version.
        """
        return fingerprint(**{table: "-".join(folder.split("-")[:2]) for table, folder in self.tables.items()})

    def require_origin(self, table: Table, source: Table) -> None:
        """Refuse a table that was made from another version of ``source`` than the one of this snapshot.

        Where either does not say what it was made from, as only those of ``prepare`` do, there is nothing to refuse.

        Raises:
            SnapshotError: naming both versions.
        """
        folders = [self.tables.get(name, "") for name in (table.name, source.name)]
        manifest = read_manifest(self.location / folders[0]) if all(folders) else None
        made_from = manifest.made_from.get("inputs", {}).get(source.name) if manifest else None
        if made_from and folders[1].split("-")[1:2] != [made_from]:
            raise SnapshotError(
                f"{self.location / folders[0]} was made from {source.name}-{made_from}, but the snapshot has "
                f"{folders[1]}: the tables do not belong together; run prepare again"
            )

    def require(self, table: Table) -> None:
        """Refuse a snapshot without a table.

        Raises:
            SnapshotError: saying how to get it.
        """
        if table.name not in self.tables:
            advice = _ASKED_FOR_BY.get(table.name, "run prepare again")
            raise SnapshotError(f"the snapshot {self.location} has no table {table.name!r}; {advice}")

    def table(self, table: Table) -> tuple[Location, Manifest]:
        """Return a table's folder and manifest, once its files have been checked against it.

        Raises:
            SnapshotError: if the table is absent, unfinished or damaged.
        """
        self.require(table)
        folder = self.location / self.tables[table.name]
        manifest = read_manifest(folder)
        if manifest is None:
            raise SnapshotError(f"{folder} has no {MANIFEST}: it was never finished; run prepare again")
        verify(folder, table, manifest)
        return folder, manifest

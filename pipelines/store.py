"""Write the tables of a snapshot, each once and as a whole.

See ``embtrain.manifest`` for the layout on disk and for what makes a table complete.
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from importlib import import_module
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs
from pyspark.sql import DataFrame, Observation, SparkSession

from embtrain.errors import SetupError
from embtrain.manifest import Manifest, fingerprint, read_manifest, read_parts, verify, write_manifest
from embtrain.schema import Table
from embtrain.storage import Location
from pipelines.progress import reported
from pipelines.sources import literal
from pipelines.workers import explained_worker_errors

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stage:
    """How to make a table, and all that it depends on."""

    table: Table
    build: Callable[[], DataFrame]
    """Called only if the table is not there yet."""
    settings: Mapping[str, Any]
    code: tuple[str, ...]
    """The modules whose source decides what the table holds."""
    inputs: Mapping[str, Any]
    """Fingerprints of tables, descriptions of files."""
    observed: tuple[Observation, ...] = ()
    """What ``build`` measures on the way; kept in the manifest."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the Parquet writer."""
    check: Callable[[Manifest], None] = lambda _: None
    """Raises if the table is not worth committing."""
    summary: Callable[[Manifest], str] = lambda manifest: f"{manifest.rows:,} rows"
    """What was read, kept and dropped, for the user."""

    @property
    def made_from(self) -> dict[str, Any]:
        """Return what the manifest says about the origin of the table."""
        sources = {module: inspect.getsource(import_module(module)) for module in self.code}
        code = fingerprint(columns=self.table.columns, **sources)
        return {"settings": dict(self.settings), "code": code, "inputs": dict(self.inputs)}


@dataclass(frozen=True)
class StoredTable:
    """A complete table."""

    table: Table
    folder: Location
    manifest: Manifest

    @property
    def folder_name(self) -> str:
        """Return the name of the table's folder within the snapshot."""
        return self.folder.path.rpartition("/")[2]

    def frame(self, spark: SparkSession) -> DataFrame:
        """Read it with Spark, for what does not depend on the order of the files: Spark takes the largest first."""
        return spark.read.schema(self.table.spark_ddl).parquet(literal(self.folder.for_spark))

    def frame_in_order(self, spark: SparkSession) -> DataFrame:
        """Read it with Spark, the files in the order of their names: a scan for each, which takes longer to plan."""
        paths = [literal((self.folder / part.name).for_spark) for part in self.manifest.parts]
        return reduce(DataFrame.unionAll, (spark.read.schema(self.table.spark_ddl).parquet(path) for path in paths))

    def read(self, columns: list[str] | None = None) -> pa.Table:
        """Read it, or some of its columns, into this process: for tables that are no larger than the vocabulary."""
        paths = [info.path for info in self.folder.files()]
        return pq.read_table(paths, columns=columns, filesystem=self.folder.filesystem)


def writable_folder(location: str) -> Location:
    """Make a folder, and those above it, where there is none yet; write and delete a small file to see if one can.

    Raises:
        SetupError: if that is not allowed, or something else bears its name.
    """
    folder = Location.of(location)
    probe = folder / f".probe-{uuid4().hex}"
    try:
        folder.filesystem.create_dir(folder.path)
        probe.filesystem.open_output_stream(probe.path).close()
        probe.filesystem.delete_file(probe.path)
    except OSError as error:
        raise SetupError(f"cannot write to {folder} ({error}); name another folder") from None
    return folder


def provide(location: Location, stage: Stage) -> StoredTable:
    """Return the stage's table, made now unless it is there and nothing that it depends on has changed.

    Each attempt writes to a folder of its own: runs that make the same table at once do not disturb each other.

    Raises:
        SnapshotError: if it is there but damaged.
        EmbtrainError: what the stage's check raises; then nothing is left behind.
    """
    name = stage.table.name
    made_from = stage.made_from
    version = fingerprint(table=name, **made_from)
    found = _find(location, stage.table, f"{name}-{version}-")
    if found:
        log.info("%-10s unchanged, skipped: %s", name, stage.summary(found.manifest))
        return found
    started = time.monotonic()
    folder = location / f"{name}-{version}-{uuid4().hex[:6]}"
    manifest = _write(folder, stage, version, made_from)
    log.info("%-10s %s (%.1f s)", name, stage.summary(manifest), time.monotonic() - started)
    return StoredTable(stage.table, folder, manifest)


def _find(location: Location, table: Table, prefix: str) -> StoredTable | None:
    """Return the first complete table by name; there are several where runs made the same one at once."""
    entries = location.filesystem.get_file_info(fs.FileSelector(location.path))
    for name in sorted(entry.base_name for entry in entries if entry.base_name.startswith(prefix)):
        folder = location / name
        manifest = read_manifest(folder)
        if manifest:
            verify(folder, table, manifest)
            return StoredTable(table, folder, manifest)
        log.warning("%s is unfinished: another run is at work on it, or `embtrain prune` may delete it", folder)
    return None


def _write(folder: Location, stage: Stage, version: str, made_from: dict[str, Any]) -> Manifest:
    try:
        with reported(SparkSession.active().sparkContext, stage.table.name), explained_worker_errors():
            stage.build().write.options(compression="zstd", **stage.options).parquet(folder.for_spark)
        manifest = _describe(folder, stage, version, made_from)
        stage.check(manifest)
    except BaseException:
        folder.remove()
        raise
    write_manifest(folder, manifest)
    return manifest


def _describe(folder: Location, stage: Stage, version: str, made_from: dict[str, Any]) -> Manifest:
    parts = read_parts(folder, stage.table)
    return Manifest(
        table=stage.table.name,
        fingerprint=version,
        rows=sum(sum(part.row_groups) for part in parts),
        parts=parts,
        tokens=_count_list_items(folder, stage.table),
        made_from=made_from,
        measures={name: value for observation in stage.observed for name, value in observation.get.items()},
    )


def _count_list_items(folder: Location, table: Table) -> int | None:
    """Count the items of a table whose first column holds lists, none of them empty, by the footers."""
    if not table.columns[0][1].startswith("ARRAY"):
        return None
    items = 0
    for info in folder.files():
        footer = pq.read_metadata(info.path, filesystem=folder.filesystem)
        items += sum(footer.row_group(i).column(0).num_values for i in range(footer.num_row_groups))
    return items

"""Run files for small corpora, and looks into the snapshots made from them."""

import pyarrow as pa
import pyarrow.parquet as pq

from embtrain.config import Settings
from embtrain.manifest import Snapshot
from embtrain.schema import VOCABULARY


def settings(folder, *paths, **sections):
    corpus = {"paths": [str(path) for path in paths], "held_out": 0.1} | sections.pop("corpus", {})
    defaults = {"vocabulary": {"min_count": 2}, "spark": {"partitions": 2}}
    return Settings(name="test", snapshot=str(folder / "snapshot"), corpus=corpus, **(defaults | sections))


def opened(folder):
    return Snapshot.open(str(folder / "snapshot"))


def read(snapshot, table):
    folder, _ = snapshot.table(table)
    return pa.concat_tables(pq.read_table(info.path) for info in folder.files())


def vocabulary_of(snapshot):
    return {row["token"]: row["count"] for row in read(snapshot, VOCABULARY).to_pylist()}


def assert_nothing_committed(folder):
    assert not (folder / "snapshot" / "snapshot.json").exists()

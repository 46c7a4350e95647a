"""The ``vocabulary`` and ``unigram`` tables as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from embtrain.errors import SnapshotError
from embtrain.manifest import Snapshot
from embtrain.schema import UNIGRAM, VOCABULARY, Table


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a snapshot by id, and what training draws by.

    Attributes:
        tokens: by descending count. Length V.
        counts: occurrences in the training sentences. Shape ``(V,)``, int64.
        keep_probability: chance that subsampling keeps an occurrence. Shape ``(V,)``, float64.
        negative_probability: chance that one draw of a negative gives this id; sums to 1. Shape ``(V,)``, float64.
    """

    tokens: list[str]
    counts: npt.NDArray[np.int64]
    keep_probability: npt.NDArray[np.float64]
    negative_probability: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def read(cls, snapshot: Snapshot) -> Vocabulary:
        """Read both tables.

        Raises:
            SnapshotError: if one is absent or damaged, their ids are not 0, 1, 2, … alike, or not by descending count.
        """
        vocabulary, unigram = read_by_id(snapshot, VOCABULARY), read_by_id(snapshot, UNIGRAM)
        if vocabulary.num_rows != unigram.num_rows:
            raise SnapshotError(
                f"the snapshot {snapshot.location} has {vocabulary.num_rows} tokens, but probabilities "
                f"for {unigram.num_rows}; run prepare again"
            )
        counts = vocabulary.column("count").to_numpy()
        if (np.diff(counts) > 0).any():
            raise SnapshotError(f"the vocabulary of {snapshot.location} must be by descending count; run prepare again")
        return cls(
            tokens=vocabulary.column("token").to_pylist(),
            counts=counts,
            keep_probability=unigram.column("keep_probability").to_numpy(),
            negative_probability=unigram.column("negative_probability").to_numpy(),
        )


def read_by_id(snapshot: Snapshot, table: Table) -> pa.Table:
    """Read a table that has a row for each token, in the order of their ids.

    Raises:
        SnapshotError: if it is absent or damaged, or its ids are not 0, 1, 2, …
    """
    folder, manifest = snapshot.table(table)
    parts = [pq.read_table(f"{folder.path}/{part.name}", filesystem=folder.filesystem) for part in manifest.parts]
    rows = pa.concat_tables(parts).sort_by("id")
    if not np.array_equal(rows.column("id").to_numpy(), np.arange(rows.num_rows)):
        raise SnapshotError(f"{folder}: ids must be 0, 1, 2, …, each once; run prepare again")
    return rows

"""Single rows of the ``cooccurrence`` table, without reading the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from embtrain.errors import SnapshotError
from embtrain.manifest import Snapshot
from embtrain.schema import COOCCURRENCE, SEQUENCES, VOCABULARY


@dataclass(frozen=True)
class Row:
    """The neighbours of one token.

    Attributes:
        columns: their ids, ascending. Shape ``(N,)``, int32.
        weights: how much each weighs together with the token. Shape ``(N,)``, float32.
    """

    columns: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]

    @property
    def total(self) -> float:
        """Return the sum of the weights."""
        return float(self.weights.sum(dtype=np.float64))

    def weight(self, column: int) -> float:
        """Return the weight of one neighbour, 0 for a token that is none."""
        place = int(np.searchsorted(self.columns, column))
        found = place < len(self.columns) and self.columns[place] == column
        return float(self.weights[place]) if found else 0.0


def require_cooccurrence(snapshot: Snapshot) -> None:
    """Refuse a snapshot without the table, which only some run files ask for, or with that of another text.

    Raises:
        SnapshotError: saying how to ask for it.
    """
    snapshot.require(COOCCURRENCE)
    snapshot.require_origin(COOCCURRENCE, SEQUENCES)
    snapshot.require_origin(SEQUENCES, VOCABULARY)


def read_rows(snapshot: Snapshot, ids: Sequence[int]) -> dict[int, Row]:
    """Read the rows of some tokens; one that has no neighbour is left out.

    Of each row group the ids are read, and the cells only where one of them is wanted.

    Raises:
        SnapshotError: if the snapshot has no such table, or a damaged one.
    """
    require_cooccurrence(snapshot)
    folder, manifest = snapshot.table(COOCCURRENCE)
    wanted = pa.array(ids, pa.int32())
    rows: dict[int, Row] = {}
    for part in manifest.parts:
        try:
            with pq.ParquetFile(f"{folder.path}/{part.name}", filesystem=folder.filesystem) as file:
                rows.update(_rows_among(file, wanted))
        except (pa.ArrowException, OSError) as error:
            raise SnapshotError(f"cannot read {folder / part.name}: {error}; run prepare again") from None
    return rows


def _rows_among(file: pq.ParquetFile, wanted: pa.Array) -> Iterator[tuple[int, Row]]:
    for group in range(file.num_row_groups):
        is_wanted = pc.is_in(file.read_row_group(group, columns=["row"])["row"], wanted)
        if pc.any(is_wanted).as_py():
            found = file.read_row_group(group).filter(is_wanted)
            for row, columns, weights in zip(found["row"], found["columns"], found["weights"], strict=True):
                yield row.as_py(), Row(columns.values.to_numpy(), weights.values.to_numpy())

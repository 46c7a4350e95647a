"""The ``cooccurrence`` table as arrays, some million cells at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from embtrain.data.cooccurrence import require_cooccurrence
from embtrain.errors import SnapshotError
from embtrain.manifest import Snapshot
from embtrain.schema import COOCCURRENCE

PIECE_CELLS = 1 << 20
"""The table is decoded in pieces of about so many cells."""


class Stripes(NamedTuple):
    """Rows of the matrix: row ``rows[i]`` has ``columns`` and ``weights`` from ``offsets[i]`` to ``offsets[i + 1]``."""

    rows: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]


class StripeTable:
    """A snapshot's co-occurrences.

    Raises:
        SnapshotError: if the table is absent or damaged.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        require_cooccurrence(snapshot)
        self.folder, self.manifest = snapshot.table(COOCCURRENCE)

    def read(self) -> Iterator[Stripes]:
        """Read the table from its first row to its last.

        Raises:
            SnapshotError: if a file cannot be read.
        """
        for part in self.manifest.parts:
            try:
                yield from self._read_part(part.name)
            except (pa.ArrowException, OSError) as error:
                raise SnapshotError(f"cannot read {self.folder / part.name}: {error}; run prepare again") from None

    def _read_part(self, name: str) -> Iterator[Stripes]:
        with pq.ParquetFile(f"{self.folder.path}/{name}", filesystem=self.folder.filesystem) as file:
            for index in range(file.metadata.num_row_groups):
                group = file.metadata.row_group(index)
                rows = max(1, PIECE_CELLS * group.num_rows // max(1, group.column(1).num_values))
                for piece in file.iter_batches(rows, [index], use_threads=False):
                    yield _as_arrays(piece)


def _as_arrays(piece: pa.RecordBatch) -> Stripes:
    row, columns, weights = (piece.column(name) for name in ("row", "columns", "weights"))
    lengths = np.diff(columns.offsets.to_numpy())
    if not np.array_equal(lengths, np.diff(weights.offsets.to_numpy())):
        raise pa.ArrowInvalid("a row has more columns than weights, or fewer")
    return Stripes(
        row.to_numpy(),
        np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)]),
        columns.flatten().to_numpy(),
        weights.flatten().to_numpy(),
    )

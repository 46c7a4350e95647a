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
from embtrain.kernels.stripes import asymmetry, find_fault
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
        SnapshotError: if the table is absent or damaged, or was counted from other sequences or ids than the
            snapshot's.
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

    def read_checked(self, vocab_size: int) -> Iterator[Stripes]:
        """Read the table and check it: each piece before it is given, and after the last one the whole.

        Args:
            vocab_size: rows and columns must be below this.

        Raises:
            SnapshotError: if a file cannot be read, an id is not in the vocabulary, a row is there twice, has no
                columns or some that do not ascend, a weight has no logarithm, or symmetric windows made a table that
                is not symmetric.
        """
        # Left and right windows make tables of any kind; where symmetric ones do not, a part is missing.
        is_symmetric = self.manifest.made_from.get("settings", {}).get("context") == "symmetric"
        seen, difference = np.zeros(vocab_size, np.bool_), 0
        for stripes in self.read():
            wrong = find_fault(*stripes, seen)
            if wrong >= 0:
                raise SnapshotError(f"{self.folder}: {_fault(stripes, wrong, vocab_size)}")
            if is_symmetric:
                rows, offsets, columns, weights = stripes
                difference += int(asymmetry(rows, offsets, columns, weights.view(np.uint32)))
            yield stripes
        if difference % 2**64:
            raise SnapshotError(
                f"{self.folder} is asymmetric, but its windows were symmetric: cells are missing or were changed; "
                "run prepare again"
            )

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


def _fault(stripes: Stripes, wrong: int, vocab_size: int) -> str:
    """Say what is wrong with a stripe."""
    row, cells = stripes.rows[wrong], slice(stripes.offsets[wrong], stripes.offsets[wrong + 1])
    columns, weights = stripes.columns[cells], stripes.weights[cells]
    ids = np.append(columns, row)
    if ids.min() < 0 or ids.max() >= vocab_size:
        return (
            f"row {row} holds ids {ids.min()} to {ids.max()}, but the vocabulary has {vocab_size} tokens; "
            "the tables do not belong together: run prepare again"
        )
    if not columns.size:
        return f"row {row} has no columns; run prepare again"
    bad = np.flatnonzero(~(weights > 0) | ~np.isfinite(weights))
    if bad.size:
        cell = f"row {row}, column {columns[bad[0]]}"
        return f"the weight of {cell} is {weights[bad[0]]}, which has no logarithm; run prepare again"
    return f"row {row} is there twice, or its columns do not ascend; run prepare again"

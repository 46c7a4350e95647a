"""The checkpoint of a run whose vectors are split by column: the file that one process alone would write.

The first process reads and writes it, some rows at a time; the others send it their columns of those rows, or
keep their own of the rows that it sends. So a run may go on with another number of processes, or with another
``train.parallel``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from embtrain.checkpoint import Checkpoint, Position, Saved, shared
from embtrain.columns import Columns
from embtrain.kernels.padding import padded
from embtrain.tensor_file import write_header

State = Mapping[str, npt.NDArray[np.float32]]
Shapes = Mapping[str, tuple[int | None, ...]]


@dataclass(frozen=True)
class ColumnCheckpoint(Checkpoint):
    """As :class:`embtrain.checkpoint.Checkpoint`, but all processes call it together, each for its own columns.

    Attributes:
        columns: of this process.
    """

    columns: Columns

    @property
    def width(self) -> int:
        """Return the columns of a row in the file, padded as a process that holds whole rows pads them."""
        return padded(self.columns.dim)

    def is_due(self, last: float, interval: float) -> bool:
        """Tell whether it is time by the first process's clock: no two agree, and all must save together."""
        due = np.array([super().is_due(last, interval)], np.float64)
        return bool(self.columns.group.from_first(due)[0])

    def save(self, position: Position, state: State, notes: dict[str, Any]) -> None:
        """Write what all processes hold; see :meth:`embtrain.checkpoint.Checkpoint.save`.

        Raises:
            CheckpointError: in the first process, if the folder cannot be written.
        """
        if self.columns.group.is_first:
            super().save(position, state, notes)
        else:
            for own in state.values():
                for _ in self.columns.gathered(own, self.width):
                    pass

    def load(self, shapes: Shapes) -> Saved | None:
        """Return this process's columns of what was saved, or None where there is nothing.

        Args:
            shapes: of the columns that this process needs.

        Raises:
            CheckpointError: in the first process, if it is damaged, or belongs to another run.
        """
        group = self.columns.group
        parts = {name: math.prod(length for length in shape[1:-1] if length) for name, shape in shapes.items()}
        wholes = {name: (shape[0], parts[name] * self.width) for name, shape in shapes.items()}
        if group.is_first:
            saved = super().load(wholes)
            if saved is None:
                group.from_first(np.array([False]))
        elif group.from_first(np.array([False]))[0]:
            saved = Saved(Position(), self._spread(wholes, None), {})
        else:
            saved = None
        if saved is None:
            return None
        state = {name: own.reshape(len(own), *shapes[name][1:]) for name, own in saved.state.items()}
        return saved._replace(position=shared(saved.position, group), state=state)

    def _read_arrays(self, file: Any, shapes: Shapes) -> dict[str, npt.NDArray[np.float32]]:
        self.columns.group.from_first(np.array([True]))
        return self._spread(shapes, file)

    def _spread(self, shapes: Shapes, file: Any) -> dict[str, npt.NDArray[np.float32]]:
        """Return this process's columns of the matrices in a file, which the first process alone has open."""
        state = {}
        for name, (num_rows, numbers) in shapes.items():
            assert num_rows is not None
            assert numbers is not None

            def read(rows: slice, name: str = name) -> npt.NDArray[np.float32]:
                found: npt.NDArray[np.float32] = file.get_slice(name)[rows]
                return found

            state[name] = self.columns.spread((num_rows, numbers // self.width), self.width, read)
        return state

    def _write_arrays(self, state: State, path: Path) -> None:
        """Write the arrays of all processes, some rows at a time."""
        shapes = {name: (len(own), math.prod(own.shape[1:-1]) * self.width) for name, own in state.items()}
        with path.open("wb") as file:
            write_header({name: (np.dtype(np.float32), shape) for name, shape in shapes.items()}, file)
            for own in state.values():
                for rows in self.columns.gathered(own, self.width):
                    file.write(rows.data)

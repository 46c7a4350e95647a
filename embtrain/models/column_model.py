"""What all models have in common of which each process holds some columns, whatever these are of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from embtrain.columns import Columns
from embtrain.distributed import Group
from embtrain.models.protocol import Merger, Tally, alone


class Holder(Protocol):
    """What holds the columns of a process, and computes with them."""

    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the columns of all matrices."""

    def load_state(self, state: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Copy them in."""


BlockT = TypeVar("BlockT")
ComputeT = TypeVar("ComputeT", bound=Holder)


class ColumnModel(ABC, Generic[BlockT, ComputeT]):
    """The columns of one process, and what all of them go through.

    Args:
        columns: those of this process.
        compute: what holds them.
        lays_out_ahead: whether a thread beside those of ``compute`` prepares the next span meanwhile.
    """

    def __init__(self, columns: Columns, compute: ComputeT, *, lays_out_ahead: bool) -> None:
        self._columns, self._compute = columns, compute
        self._layout, self._ahead = ThreadPoolExecutor(1, thread_name_prefix="layout"), lays_out_ahead

    @abstractmethod
    def train(self, block: BlockT, learning_rate: Callable[[int], float], seed: int) -> Iterator[Tally]:
        """Train on a block; see :class:`embtrain.models.protocol.Model`. All processes must, on the same one."""

    def loss(self, block: BlockT, seed: int) -> Tally:
        """Measure the loss on a block with the rows as they are, all processes together."""
        return sum(self.train(block, lambda _: 0.0, seed), Tally())

    def merger(self, group: Group, words: float) -> Merger:  # noqa: ARG002 - there are no copies
        """Return what does nothing: no two processes hold the same numbers."""
        return alone

    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return this process's columns of all matrices; on a GPU, copies."""
        return self._compute.state()

    def load_state(self, state: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Copy this process's columns in."""
        self._compute.load_state(state)

"""Several processes that train one model: the only module that knows torch.distributed.

torchrun, or Spark's TorchDistributor, sets RANK, WORLD_SIZE and the address to meet at. Without them a
process is alone, and torch is not even imported.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from embtrain.errors import SetupError

FLOATS_PER_MESSAGE = 1 << 20
"""Merging goes through the matrices in pieces of 4 MB, so that it needs no second copy of them on the wire."""


@dataclass(frozen=True)
class Group:
    """The processes that train together, as one of them sees them."""

    rank: int = 0
    world_size: int = 1
    local_world_size: int = 1
    """Processes on this machine, which share its cores."""
    _collectives: ModuleType | None = None

    @property
    def is_first(self) -> bool:
        """Tell whether this is the one process that logs, saves and registers."""
        return self.rank == 0

    def sum(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Add an array up over all processes, in place, and return it."""
        if self._collectives:
            import torch  # noqa: PLC0415 - a process that is alone needs no torch

            self._collectives.all_reduce(torch.from_numpy(values))
        return values

    def gather(self, value: object) -> list[Any]:
        """Return the value of every process, by rank."""
        values: list[Any] = [value] * self.world_size
        if self._collectives:
            self._collectives.all_gather_object(values, value)
        return values

    def require_equal(self, what: str, value: object) -> None:
        """Refuse to go on where processes were given different things.

        Raises:
            SetupError: naming the ranks that differ from rank 0, and what both have.
        """
        values = self.gather(value)
        different = [rank for rank, other in enumerate(values) if other != values[0]]
        if different:
            raise SetupError(
                f"ranks {', '.join(map(str, different))} have another {what} than rank 0: "
                f"{values[different[0]]!r}, not {values[0]!r}; start all with the same run file and snapshot"
            )


@contextmanager
def process_group() -> Iterator[Group]:
    """Join the processes that the launcher started, and leave them at the end.

    Raises:
        SetupError: if the launcher's variables are there but the others cannot be met.
    """
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size == 1:
        yield Group()
        return
    import torch.distributed as collectives  # noqa: PLC0415 - as above

    try:
        collectives.init_process_group("gloo")
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise SetupError(f"WORLD_SIZE is {world_size}, but the other processes were not met: {reason}") from None
    try:
        local = int(os.environ.get("LOCAL_WORLD_SIZE", world_size))
        yield Group(collectives.get_rank(), world_size, local, collectives)
    finally:
        collectives.destroy_process_group()


class Replicas:
    """Each process's copy of the arrays that it trains, brought together from time to time.

    Between two merges every process trains its copy on other text. A merge adds the changes of all processes to
    what they last agreed on. Rows of rare tokens change in one process or two, by little: their changes are
    added up, which is what one process would have done. Rows of frequent tokens move in every process
    most of the way to the same place: their changes are averaged. ``share`` is between: 1 adds up,
    1 / world size averages.

    Args:
        group: the processes.
        state: arrays of shape ``(V, S)``, changed in place.
        share: by which the sum of a row's changes is multiplied. Shape ``(V,)``, float32.
    """

    def __init__(self, group: Group, state: dict[str, npt.NDArray[np.float32]], share: npt.NDArray[np.float32]) -> None:
        self._group = group
        self._share = share
        # A process that is alone has nothing to compare with, and saves the memory.
        self._state = state if group.world_size > 1 else {}
        self._agreed = {name: array.copy() for name, array in self._state.items()}

    def merge(self) -> None:
        """Bring all copies together; every process must call this as often as the others."""
        for name, array in self._state.items():
            rows = max(1, FLOATS_PER_MESSAGE // array.shape[1])
            for first in range(0, len(array), rows):
                piece = slice(first, first + rows)
                agreed = self._agreed[name][piece]
                change = self._group.sum(array[piece] - agreed)
                change *= self._share[piece, None]
                agreed += change
                array[piece] = agreed

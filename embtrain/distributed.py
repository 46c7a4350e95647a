"""Several processes that train one model: the only module that knows torch.distributed.

torchrun, or Spark's TorchDistributor, sets RANK, WORLD_SIZE and the address to meet at. Without them a
process is alone, and torch is not even imported.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType, ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from embtrain.errors import SetupError

FLOATS_PER_MESSAGE = 1 << 20
"""Merging goes through the matrices in pieces of 4 MB, so that it needs no second copy of them on the wire."""

OCCURRENCES_TO_SETTLE = 100
"""Occurrences of a word after which its rows have moved half of the way to where the present text pulls them."""


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
            with _others_alive():
                self._collectives.all_reduce(_as_tensor(values))
        return values

    def sum_tensors(self, tensors: Sequence[Any]) -> None:
        """Add tensors up over all processes, in place: all of them in one message."""
        if self._collectives:
            import torch  # noqa: PLC0415 - as below

            message = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
            with _others_alive():
                self._collectives.all_reduce(message)
            totals = torch.split(message, [tensor.numel() for tensor in tensors])
            for tensor, total in zip(tensors, totals, strict=True):
                tensor.copy_(total.view_as(tensor))

    def from_first(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Give every process the first one's array, in place, and return it."""
        return self.from_rank(values, 0)

    def from_rank(self, values: npt.NDArray[Any], rank: int) -> npt.NDArray[Any]:
        """Give every process the array of the one with this rank, in place, and return it."""
        if self._collectives:
            with _others_alive():
                self._collectives.broadcast(_as_tensor(values), src=rank)
        return values

    def require_equal(self, what: str, value: object) -> None:
        """Refuse to go on where processes were given different things.

        Hashes are compared, so that nothing is pickled between the processes.

        Raises:
            SetupError: in every process, naming the first rank that differs from rank 0, and what is here.
        """
        text = json.dumps(value, sort_keys=True)
        hashes = np.zeros((self.world_size, 4), np.int64)
        hashes[self.rank] = np.frombuffer(hashlib.sha256(text.encode()).digest(), np.int64)
        self.sum(hashes)
        different = np.flatnonzero((hashes != hashes[0]).any(axis=1))
        if different.size:
            raise SetupError(
                f"the {what} of rank {different[0]} differs from that of rank 0; rank {self.rank} has {text}: "
                "start all processes with the same run file and snapshot"
            )


def _as_tensor(values: npt.NDArray[Any]) -> Any:
    import torch  # noqa: PLC0415 - a process that is alone needs no torch

    return torch.from_numpy(values)


@contextmanager
def _others_alive() -> Iterator[None]:
    """Say in one sentence that another process has gone, rather than show gloo's stack."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise SetupError(f"another process of this training has ended; its own message says why ({reason})") from None


@contextmanager
def _told_to_end() -> Iterator[None]:
    """Say why a launcher ends this process: it does so where another one has failed, which computing hides."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        raise SetupError(
            "the launcher has ended this process (SIGTERM), as it does if another process of this training has ended; "
            "its own message then says why"
        )

    if threading.current_thread() is not threading.main_thread():  # where Python has no signals
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def process_group() -> Iterator[Group]:
    """Join the processes that the launcher started, and leave them at the end.

    Raises:
        SetupError: if the launcher's variables are there but the others cannot be met; later, if another one ends.
    """
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size == 1:
        yield Group()
        return
    import torch  # noqa: PLC0415 - as above
    import torch.distributed as collectives  # noqa: PLC0415 - as above

    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    if torch.cuda.is_available():
        torch.cuda.set_device(local_rank % torch.cuda.device_count())
    try:
        # Arrays go through gloo, tensors on GPUs through NCCL.
        collectives.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise SetupError(f"WORLD_SIZE is {world_size}, but the other processes were not met: {reason}") from None
    try:
        local = int(os.environ.get("LOCAL_WORLD_SIZE", world_size))
        with _told_to_end():
            yield Group(collectives.get_rank(), world_size, local, collectives)
    finally:
        collectives.destroy_process_group()


class Replicas:
    """Each process's copy of the arrays that it trains, brought together from time to time.

    Between two merges every process trains its copy on other text. A merge adds the changes of all processes to
    what they last agreed on. Rows of rare words change in one process or two, by little: their changes are
    added up, which is what one process would have done. Rows of frequent words move in every process
    most of the way to the same place: their changes are averaged. docs/decisions/0008 has the measurements.

    Args:
        group: the processes.
        state: arrays of shape ``(V, S)``, float32, changed in place.
        occurrences: of each row's word that a process expects between merges. Shape ``(V,)``.
    """

    def __init__(
        self, group: Group, state: dict[str, npt.NDArray[np.float32]], occurrences: npt.NDArray[np.float64]
    ) -> None:
        self._group = group
        self._settled = occurrences / (occurrences + OCCURRENCES_TO_SETTLE)
        self._state = state
        self._agreed = {name: array.copy() for name, array in state.items()}

    def merge(self, contributors: int) -> None:
        """Bring all copies together; every process must call this as often as the others.

        Args:
            contributors: processes that had text since the last merge; the others' copies are as agreed.
        """
        share = merge_share(self._settled, contributors)
        for name, array in self._state.items():
            rows = max(1, FLOATS_PER_MESSAGE // array.shape[1])
            for first in range(0, len(array), rows):
                piece = slice(first, first + rows)
                agreed = self._agreed[name][piece]
                change = self._group.sum(array[piece] - agreed)
                change *= share[piece, None]
                agreed += change
                array[piece] = agreed


def merge_share(settled: npt.NDArray[np.float64], contributors: int) -> npt.NDArray[np.float32]:
    """Return the factor of each row's summed changes: 1 adds them up, 1 / contributors averages them.

    Args:
        settled: how far a row moves between merges of the way to where its text pulls it, 0 to 1. Shape ``(V,)``.
        contributors: processes whose changes were summed.
    """
    share: npt.NDArray[np.float32] = (1 - settled * (1 - 1 / contributors)).astype(np.float32)
    return share

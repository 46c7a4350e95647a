"""Several processes that train one model: the only module that knows torch.distributed.

torchrun, or Spark's TorchDistributor, sets RANK, WORLD_SIZE and the address to meet at. Without them a
process is alone, and torch is not even imported.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from embtrain.errors import ANOTHER_ENDED, SetupError, TerminatedError
from embtrain.termination import heeded

if TYPE_CHECKING:
    from torch import Tensor

ArrayT = TypeVar("ArrayT", npt.NDArray[Any], "Tensor")
"""Numbers that processes have: an array, or a tensor of any device."""

MOST_SENT_DIRECTLY = 2 << 20
"""Bytes that a process on CPUs sends for one sum, up to which it sends all of its numbers to each other one.

In a ring of W processes it sends 2 (W - 1) / W times the message rather than W - 1 times, but in pieces, each of which
waits for the one before: half a megabyte takes two processes 1.7 ms of CPU by gloo's ring, and 0.2 ms directly. For two
the bytes are the same; for more, this much goes over a fast network in the time of a ring's trips.
"""


GRACE_SECONDS = 5.0
"""That a process which is told to end has to come to where it can save. Schedulers kill it 10 to 30 seconds later."""


def is_sent_directly(message_bytes: float, world_size: int) -> bool:
    """Tell whether processes on CPUs send each other all of a message; two send as much either way."""
    num_others = world_size - 1
    return num_others == 1 or num_others * message_bytes <= MOST_SENT_DIRECTLY


def times_sent(message_bytes: float, world_size: int, *, on_gpus: bool) -> float:
    """Return how often each process sends the bytes of a message that is added up over all."""
    num_others = world_size - 1
    if not on_gpus and is_sent_directly(message_bytes, world_size):
        return num_others
    return 2 * num_others / world_size


@dataclass(frozen=True)
class Group:
    """The processes that train together, as one of them sees them."""

    rank: int = 0
    world_size: int = 1
    local_world_size: int = 1
    """Processes on this machine, which share its cores."""
    is_beside_first: bool = True
    """Whether the first process is on this machine."""
    has_own_gpu: bool = True
    """Whether torch finds a GPU for this process that no other one takes."""
    is_told_to_end: Callable[[], bool] = lambda: False
    """Of a process that is alone: whether it is to save what it has, and end by itself. Several end at once."""
    _collectives: ModuleType | None = None

    @property
    def is_first(self) -> bool:
        """Tell whether this is the one process that logs, saves and registers."""
        return self.rank == 0

    def sum(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Add an array up over all processes, in place, and return it."""
        self.begin_sum(values)()
        return values

    def begin_sum(self, values: ArrayT) -> Callable[[], None]:
        """Begin to add a tensor or an array up over all processes, in place; return what waits until it is done.

        Until then it must not be touched. Several may be under way, begun in the same order by every process. All
        get the same result, bit for bit.
        """
        if not self._collectives:
            return lambda: None
        tensor = _as_tensor(values)
        if not tensor.is_cuda and is_sent_directly(tensor.nbytes, self.world_size):
            return self._begin_direct_sum(tensor)
        with _others_alive():
            work = self._collectives.all_reduce(tensor, async_op=True)

        def wait() -> None:
            with _others_alive():
                work.wait()

        return wait

    def _begin_direct_sum(self, tensor: Tensor) -> Callable[[], None]:
        """Begin a sum for which each process sends its numbers to each other one, and adds up those of all."""
        assert self._collectives
        parts = [tensor if rank == self.rank else tensor.new_empty(tensor.shape) for rank in range(self.world_size)]
        with _others_alive():
            works = [self._collectives.irecv(part, rank) for rank, part in enumerate(parts) if rank != self.rank]
            works += [self._collectives.isend(tensor, rank) for rank in range(self.world_size) if rank != self.rank]

        def wait() -> None:
            with _others_alive():
                for work in works:
                    work.wait()
            total = parts[0]
            for part in parts[1:]:  # in the same order everywhere
                total += part
            if self.rank:
                tensor.copy_(total)

        return wait

    def sum_tensors(self, tensors: Sequence[Any]) -> None:
        """Add tensors up over all processes, in place: all of them in one message."""
        if self._collectives:
            import torch  # noqa: PLC0415 - as below

            message = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
            self.begin_sum(message)()
            totals = torch.split(message, [tensor.numel() for tensor in tensors])
            for tensor, total in zip(tensors, totals, strict=True):
                tensor.copy_(total.view_as(tensor))

    def from_first(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Give every process the first one's array, in place, and return it."""
        return self.from_rank(values, 0)

    def from_rank(self, values: ArrayT, rank: int) -> ArrayT:
        """Give every process the array or tensor of the one with this rank, in place, and return it."""
        if self._collectives:
            with _others_alive():
                self._collectives.broadcast(_as_tensor(values), src=rank)
        return values

    def require_equal(
        self, what: str, value: object, advice: str = "start all processes with the same run file and snapshot"
    ) -> None:
        """Refuse to go on where processes were given different things.

        Raises:
            SetupError: in every process, naming the first rank that differs from rank 0, and what is here.
        """
        text = json.dumps(value, sort_keys=True)
        hashes = self._hashes(text)
        different = np.flatnonzero((hashes != hashes[0]).any(axis=1))
        if different.size:
            raise SetupError(
                f"the {what} of rank {different[0]} differs from that of rank 0; rank {self.rank} has {text}: {advice}"
            )

    def on_this_machine(self) -> npt.NDArray[np.bool_]:
        """Tell of each rank whether it is on this machine: a launcher knows only the processes that it has started.

        Each of Spark's tasks has a launcher of its own. Shape ``(world_size,)``.
        """
        hashes = self._hashes(socket.gethostname())
        same: npt.NDArray[np.bool_] = (hashes == hashes[self.rank]).all(axis=1)
        return same

    def _hashes(self, text: str) -> npt.NDArray[np.int64]:
        """Gather a hash of each process's text: nothing is pickled between them. Shape ``(world_size, 4)``."""
        hashes = np.zeros((self.world_size, 4), np.int64)
        hashes[self.rank] = np.frombuffer(hashlib.sha256(text.encode()).digest(), np.int64)
        return self.sum(hashes)


def _as_tensor(values: Any) -> Any:
    """Return an array as a tensor of the same memory, and a tensor as it is."""
    import torch  # noqa: PLC0415 - a process that is alone needs no torch

    return torch.as_tensor(values)


@contextmanager
def _others_alive() -> Iterator[None]:
    """Say in one sentence that another process has gone, rather than show gloo's stack."""
    import torch  # noqa: PLC0415 - as above

    try:
        yield
    except (torch.OutOfMemoryError, torch.AcceleratorError):
        raise  # of this process's own GPU
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise SetupError(f"{ANOTHER_ENDED}; its own message says why ({reason})") from None


def _told_to_end() -> AbstractContextManager[Callable[[], bool]]:
    """Say why a launcher ends this process: it does so where another one has failed, which computing hides."""
    return heeded(
        SetupError(
            f"the launcher has ended this process (SIGTERM), as it does if {ANOTHER_ENDED}; "
            "its own message then says why"
        )
    )


@contextmanager
def process_group(*, gpus: bool = False) -> Iterator[Group]:
    """Join the processes that the launcher started, and leave them at the end.

    Args:
        gpus: whether they may train on GPUs: then each takes one, where torch finds some.

    Raises:
        SetupError: if the launcher's variables are there but the others cannot be met; later, if another one ends.
        TerminatedError: in a process that is alone, when it is told to end.
    """
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size == 1:
        error = TerminatedError("told to end (SIGTERM); start it again, and it goes on from its last checkpoint")
        with heeded(error, grace_seconds=GRACE_SECONDS) as is_told_to_end:
            yield Group(is_told_to_end=is_told_to_end)
        return
    import torch  # noqa: PLC0415 - as above
    import torch.distributed as collectives  # noqa: PLC0415 - as above

    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    num_gpus = torch.cuda.device_count() if gpus else 0
    if num_gpus:
        torch.cuda.set_device(local_rank % num_gpus)
    try:
        # Arrays go through gloo, tensors on GPUs through NCCL.
        collectives.init_process_group("cpu:gloo,cuda:nccl" if num_gpus else "gloo")
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise SetupError(f"WORLD_SIZE is {world_size}, but this process cannot reach the others: {reason}") from None
    try:
        has_own_gpu = local_rank < num_gpus
        with _told_to_end():
            group = Group(collectives.get_rank(), world_size, has_own_gpu=has_own_gpu, _collectives=collectives)
            here = group.on_this_machine()
            yield replace(group, local_world_size=int(here.sum()), is_beside_first=bool(here[0]))
    except BaseException:
        _leave_at_once()
        raise
    collectives.destroy_process_group()


def _leave_at_once() -> None:
    """Leave the others without them, who may be waiting for this process.

    With NCCL a group is destroyed by all of its processes together: one that has failed would wait as well, its
    launcher would not see that it has, and nobody would end.
    """
    from torch.distributed.distributed_c10d import _abort_process_group  # noqa: PLC0415 - as above

    _abort_process_group()

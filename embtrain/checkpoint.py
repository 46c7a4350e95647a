"""The state of an unfinished run: enough to go on as if it had never stopped.

A checkpoint is a folder. ``checkpoint.json`` names the arrays' file. Each of the two gets its name in one step once
it is on the disk, so a run or a machine that dies while it saves leaves the checkpoint before, even one of the same
position.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open

from embtrain.distributed import Group
from embtrain.errors import CheckpointError
from embtrain.tensor_file import write_tensors

RECORD = "checkpoint.json"
UNFINISHED = "checkpoint.unfinished"
LOCK = "checkpoint.lock"

_STATE = re.compile(r"state-\d+\.safetensors")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Position:
    """Where a run is. All that it draws follows from the seed and the first two."""

    epoch: int = 0
    pieces: int = 0
    """Pieces of this epoch that are done, in the epoch's order, by all processes together."""
    items: int = 0
    """Tokens or cells gone through since the start."""
    pairs: int = 0
    """Predictions made in this epoch so far."""
    loss: float = 0.0
    """Their loss."""


def shared(position: Position, group: Group) -> Position:
    """Give every process the first one's position."""
    epoch, pieces, items, pairs, loss = group.from_first(np.array(astuple(position), np.float64)).tolist()
    return Position(int(epoch), int(pieces), int(items), int(pairs), loss)


class Saved(NamedTuple):
    """What a checkpoint holds."""

    position: Position
    state: dict[str, npt.NDArray[np.float32]]
    notes: dict[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """Reads and writes one run's checkpoint.

    Attributes:
        folder: this run's, as long as it is :meth:`held`. Other files in it are left alone.
        belongs_to: what a checkpoint must come from to be continued (model, vocabulary, schedule), by name.
    """

    folder: Path
    belongs_to: dict[str, Any]

    def save(self, position: Position, state: Mapping[str, npt.NDArray[np.float32]], notes: dict[str, Any]) -> None:
        """Write the arrays, then the record that names them, then delete those that it does not name.

        Raises:
            CheckpointError: if the folder cannot be written.
        """
        name = f"state-{position.items}.safetensors"
        record = {"position": asdict(position), "state": name, "belongs_to": self.belongs_to, "notes": notes}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            unfinished = self.folder / UNFINISHED
            self._write_arrays(state, unfinished)
            _put(unfinished, self.folder / name)
            unfinished.write_text(json.dumps(record, indent=1), "utf-8")
            _put(unfinished, self.folder / RECORD)
        except OSError as error:
            raise CheckpointError(f"cannot write a checkpoint to {self.folder}: {error}") from None
        self._delete_states(keep=name)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the folder to this run; a run that dies lets go of it.

        Raises:
            CheckpointError: if another run holds it, or it cannot be made.
        """
        lock = FileLock(self.folder / LOCK, timeout=0)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout:
            raise CheckpointError(
                f"another run is using the checkpoints in {self.folder}; wait for it, or give this run "
                "another name, or another train.checkpoint"
            ) from None
        except OSError as error:
            raise CheckpointError(f"cannot keep checkpoints in {self.folder}: {error}") from None
        try:
            yield
        finally:
            # In this order: what was deleted after the release might be the next run's.
            self._clear()
            lock.release()

    def discard_stale(self, names: Collection[str] | None = None) -> None:
        """Delete what was saved by a run that differs from this one in what it belongs to.

        Args:
            names: of ``belongs_to``: where it differs in others too, it is left for :meth:`load` to refuse.

        Raises:
            CheckpointError: if its record is damaged.
        """
        record = self._read_record()
        differing = self._differences(record).keys() if record else set()
        if differing and (names is None or differing <= set(names)):
            told = " and another ".join(differing)
            log.info("starting anew: the checkpoint in %s was made with another %s", self.folder, told)
            self.remove()

    def load(self, shapes: Mapping[str, tuple[int | None, ...]]) -> Saved | None:
        """Return what was saved, or None where there is nothing.

        Args:
            shapes: of the arrays that the run needs; None where any length will do.

        Raises:
            CheckpointError: if it is damaged, or belongs to another run.
        """
        advice = self._advice
        record = self._read_record()
        if record is None:
            return None
        if differences := self._differences(record):
            told = " and another ".join(f"{name} ({difference})" for name, difference in differences.items())
            raise CheckpointError(
                f"the checkpoint in {self.folder} was made with another {told}; set train.stale_checkpoint=discard to "
                "start anew, or train.checkpoint to another folder"
            )
        path = self.folder / record["state"]
        try:
            with safe_open(path, framework="numpy") as file:
                found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no dict
                if not _fit(found, shapes):
                    raise CheckpointError(f"{path} holds arrays of shapes {found}, expected {dict(shapes)}; {advice}")
                state = self._read_arrays(file, shapes)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"cannot read {path}: {error}; {advice}") from None
        return Saved(Position(**record["position"]), state, record["notes"])

    def is_due(self, last: float, interval: float) -> bool:
        """Tell whether ``interval`` seconds have passed since ``last``, a time of the monotonic clock."""
        return time.monotonic() - last >= interval

    def remove(self) -> None:
        """Delete what was saved, and what saves left that were cut short."""
        for name in (RECORD, UNFINISHED):
            (self.folder / name).unlink(missing_ok=True)
        self._delete_states()

    def _delete_states(self, *, keep: str | None = None) -> None:
        for path in self.folder.iterdir():
            if _STATE.fullmatch(path.name) and path.name != keep:
                path.unlink(missing_ok=True)

    def _differences(self, record: dict[str, Any]) -> dict[str, str]:
        """Say of each name in what a record is not this run's; nothing if it is."""
        pairs = {
            name: (record["belongs_to"].get(name), self.belongs_to.get(name))
            for name in [*self.belongs_to, *record["belongs_to"]]
        }
        return {name: _differing(theirs, mine) for name, (theirs, mine) in pairs.items() if theirs != mine}

    def _write_arrays(self, state: Mapping[str, npt.NDArray[np.float32]], path: Path) -> None:
        write_tensors(state, path)

    def _read_arrays(
        self, file: Any, shapes: Mapping[str, tuple[int | None, ...]]
    ) -> dict[str, npt.NDArray[np.float32]]:
        return {name: file.get_tensor(name) for name in shapes}

    def _clear(self) -> None:
        """Remove the folder if nothing is left in it but the lock: it may be the user's."""
        if {entry.name for entry in self.folder.iterdir()} <= {LOCK}:
            (self.folder / LOCK).unlink(missing_ok=True)
            with suppress(OSError):  # the next run has made its lock meanwhile
                self.folder.rmdir()

    def _read_record(self) -> dict[str, Any] | None:
        path, advice = self.folder / RECORD, self._advice
        try:
            record = json.loads(path.read_text("utf-8"))
            complete = {"position", "state", "belongs_to", "notes"} <= record.keys()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CheckpointError(f"cannot read {path}: {error}; {advice}") from None
        except (ValueError, AttributeError) as error:
            raise CheckpointError(f"{path} is damaged: {error}; {advice}") from None
        if not complete:
            raise CheckpointError(f"{path} is damaged: it lacks entries; {advice}")
        return dict(record)

    @property
    def _advice(self) -> str:
        return f"delete {self.folder / RECORD} to start anew, or set train.checkpoint to another folder"


def _put(unfinished: Path, path: Path) -> None:
    """Give a file its name once it is on the disk: a machine that fails leaves it whole, or the one before."""
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    unfinished.replace(path)


def _differing(theirs: Any, mine: Any) -> str:
    """Say in what two values differ: for settings, in which of them."""
    if not (isinstance(theirs, dict) and isinstance(mine, dict)):
        return f"{theirs}, now {mine}"
    names = [name for name in mine | theirs if mine.get(name) != theirs.get(name)]
    return "; ".join(f"{name} {theirs.get(name)}, now {mine.get(name)}" for name in names)


def _fit(found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int | None, ...]]) -> bool:
    """Tell whether arrays have the expected names and shapes; an expected length of None fits any."""
    return found.keys() == expected.keys() and all(
        len(found[name]) == len(shape)
        and all(length in {None, own} for length, own in zip(shape, found[name], strict=True))
        for name, shape in expected.items()
    )

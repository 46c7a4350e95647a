"""The state of an unfinished run: enough to go on as if it had never stopped.

A checkpoint is a folder. ``checkpoint.json`` names the arrays' file and is replaced in one step once that is
whole, so a run that dies while it saves leaves the checkpoint before.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from embtrain.errors import CheckpointError

RECORD = "checkpoint.json"


@dataclass(frozen=True)
class Position:
    """Where in the corpus a run is. All that it draws follows from this and the seed."""

    epoch: int = 0
    row_groups: int = 0
    """Row groups of this epoch that are done, in the epoch's order, by all processes together."""
    tokens: int = 0
    """Tokens gone through since the start."""


@dataclass(frozen=True)
class Checkpoint:
    """Reads and writes one run's checkpoint.

    Attributes:
        folder: of this run alone.
        belongs_to: what a checkpoint must come from to be continued (model, vocabulary, schedule), by name.
    """

    folder: Path
    belongs_to: dict[str, Any]

    def save(self, position: Position, state: dict[str, npt.NDArray[np.float32]], notes: dict[str, Any]) -> None:
        """Write the arrays, then the record that names them, then delete those of the checkpoint before.

        Raises:
            CheckpointError: if the folder cannot be written.
        """
        name = f"state-{position.tokens}.safetensors"
        record = {"position": asdict(position), "state": name, "belongs_to": self.belongs_to, "notes": notes}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_file(state, self.folder / name)
            unfinished = self.folder / f"{RECORD}.unfinished"
            unfinished.write_text(json.dumps(record, indent=1), "utf-8")
            unfinished.replace(self.folder / RECORD)
        except OSError as error:
            raise CheckpointError(f"cannot write a checkpoint to {self.folder}: {error}") from None
        for old in self.folder.glob("state-*.safetensors"):
            if old.name != name:
                old.unlink()

    def load(self, state: dict[str, npt.NDArray[np.float32]]) -> tuple[Position, dict[str, Any]] | None:
        """Fill the arrays from the checkpoint; return its position and notes, or None where there is none.

        Raises:
            CheckpointError: if it is damaged, or belongs to another run; then the arrays are as before. Also if the
                folder cannot be made.
        """
        advice = f"delete the folder {self.folder} to start anew, or set train.checkpoint to another"
        record = self._read_record(advice)
        if record is None:
            return None
        for name, mine in self.belongs_to.items():
            theirs = record["belongs_to"].get(name)
            if theirs != mine:
                raise CheckpointError(
                    f"the checkpoint in {self.folder} was made with another {name} ({theirs}, now {mine}); {advice}"
                )
        path = self.folder / record["state"]
        try:
            with safe_open(path, framework="numpy") as file:
                saved = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 - not a dict
                wanted = {name: list(array.shape) for name, array in state.items()}
                if saved != wanted:
                    raise CheckpointError(f"{path} holds arrays of shapes {saved}, expected {wanted}; {advice}")
                for name, array in state.items():
                    array[:] = file.get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"cannot read {path}: {error}; {advice}") from None
        return Position(**record["position"]), record["notes"]

    def remove(self) -> None:
        """Delete the checkpoint: the run is finished."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read_record(self, advice: str) -> dict[str, Any] | None:
        path = self.folder / RECORD
        try:
            # Made now, so that a folder that cannot be does not end a run at its first checkpoint.
            self.folder.mkdir(parents=True, exist_ok=True)
            record = json.loads(path.read_text("utf-8"))
            complete = {"position", "state", "belongs_to", "notes"} <= record.keys()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CheckpointError(f"cannot keep checkpoints in {self.folder}: {error}") from None
        except (ValueError, AttributeError) as error:
            raise CheckpointError(f"{path} is damaged: {error}; {advice}") from None
        if not complete:
            raise CheckpointError(f"{path} is damaged: it lacks entries; {advice}")
        return dict(record)

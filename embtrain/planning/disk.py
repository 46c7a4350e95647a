"""What a run writes besides the snapshot: the checkpoint, temporary files, and what is registered."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass

from embtrain.config import ElmoSettings, GloveSettings, Settings
from embtrain.planning.elmo import num_bilm_parameters, num_carried, num_parameters
from embtrain.planning.shapes import FLOAT_BYTES, bytes_of, state_shapes
from embtrain.planning.sizes import Sizes

CELL_BYTES = 8
"""Of a cell in its tile: its place, and the logarithm of its weight."""


@dataclass(frozen=True)
class File:
    """What a run writes."""

    name: str
    bytes: int
    """At most at the same time."""
    folder: str


def estimate_disk(settings: Settings, sizes: Sizes, *, processes: int = 1) -> list[File]:
    """List the files of a run, all processes' on one disk."""
    checkpoint, temporary = settings.checkpoint_location, tempfile.gettempdir()
    files = []
    if state := state_bytes(settings, sizes, processes=processes):
        files.append(File("checkpoint, and the one before it while it is written", 2 * state, checkpoint))
    if isinstance(settings.model, GloveSettings):
        if settings.train.parallel == "columns":  # each process goes through all cells, in a file of its own
            files.append(
                File("temporary files of the cells in tiles", CELL_BYTES * sizes.cells * processes, checkpoint)
            )
        else:
            files.append(File("temporary file of the cells in tiles", CELL_BYTES * sizes.cells, checkpoint))
    if settings.train.parallel == "columns":
        files.append(File("what is gathered of all columns", registered_bytes(settings, sizes), temporary))
    files.append(File("the vectors, before MLflow has taken them over", registered_bytes(settings, sizes), temporary))
    files.append(File("the version that MLflow keeps", registered_bytes(settings, sizes), "."))
    return files


def state_bytes(settings: Settings, sizes: Sizes, *, processes: int) -> int:
    """Return the bytes of what training changes: of one checkpoint."""
    model = settings.model
    if isinstance(model, ElmoSettings):
        return FLOAT_BYTES * (2 * num_parameters(model, sizes.vocabulary) + num_carried(model, processes))
    return bytes_of(state_shapes(model, sizes))


def registered_bytes(settings: Settings, sizes: Sizes) -> int:
    """Return the bytes of the numbers that a version keeps; its words come to some ten bytes each."""
    model, words = settings.model, sizes.vocabulary
    if isinstance(model, ElmoSettings):
        return FLOAT_BYTES * num_bilm_parameters(model)
    rows = 2 * words + sizes.buckets if sizes.buckets else words
    twice = 2 if isinstance(model, GloveSettings) and model.vectors == "both" else 1
    return FLOAT_BYTES * twice * model.dim * rows

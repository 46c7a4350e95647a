"""What a training reads of a snapshot besides the vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from embtrain.config import ElmoSettings, FastTextSettings, GloveSettings, Settings
from embtrain.data.characters import read_characters
from embtrain.data.sequences import SequenceTable
from embtrain.data.source import Source
from embtrain.data.streams import StreamTable
from embtrain.data.subwords import SubwordTable
from embtrain.distributed import Group
from embtrain.manifest import Snapshot
from embtrain.schema import HELD_OUT, SEQUENCES


@dataclass(frozen=True)
class Corpus:
    """The tables that a model trains on."""

    source: Source[Any]
    held_out: Any | None
    """Of the kind of the source's blocks."""
    subwords: SubwordTable | None = None
    """For FastText."""
    characters: npt.NDArray[np.int32] | None = None
    """For ELMo."""

    @classmethod
    def open(cls, settings: Settings, snapshot: Snapshot, vocab_size: int, group: Group) -> Corpus:
        """Open what the model trains on: cells in tiles, or sequences and one row group of held-out text.

        Raises:
            SnapshotError: if a table is absent or damaged.
            SetupError: if the cells find no room on the disk.
        """
        if isinstance(settings.model, GloveSettings):
            from embtrain.data.tiles import TiledCells  # noqa: PLC0415 - loads numba

            folder = Path(settings.checkpoint_location)
            return cls(TiledCells(snapshot, vocab_size, folder, seed=settings.train.seed, group=group), None)
        sequences, held_out = (SequenceTable(snapshot, vocab_size, table) for table in (SEQUENCES, HELD_OUT))
        measured = held_out.read(held_out.row_groups[0]) if held_out.size else None
        if isinstance(settings.model, ElmoSettings):
            streams = StreamTable(sequences, group, settings.model.batch_size)
            laid_out = None if measured is None else streams.laid_out(measured, group.rank, seed=0)
            return cls(streams, laid_out, characters=read_characters(snapshot, vocab_size))
        return cls(
            sequences,
            measured,
            SubwordTable.read(snapshot, vocab_size) if isinstance(settings.model, FastTextSettings) else None,
        )

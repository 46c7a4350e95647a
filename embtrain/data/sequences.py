"""The ``sequences`` table as blocks of ids, one row group at a time.

A row group is what a rank reads and trains on at once: the corpus never has to fit in memory. The next one is
read, in a thread of its own, while this one is trained on; where a GPU trains, several are.
"""

from __future__ import annotations

import mmap
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from embtrain.data.source import Round
from embtrain.errors import CorpusError, SetupError, SnapshotError
from embtrain.manifest import Snapshot
from embtrain.schema import SEQUENCES, Table

PIECE_TOKENS = 1 << 16
READ_BYTES = 1 << 16
"""A row group is decoded in pieces of so many tokens, from reads of so many bytes."""

ARROWS_OWN = pa.default_memory_pool()
"""Where Arrow takes memory from, but for what is read here."""


@dataclass(frozen=True)
class Block:
    """Sequences of token ids, end to end: sequence i is ``ids[offsets[i]:offsets[i + 1]]``."""

    ids: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        """Make both arrays read-only, as Arrow's are: numba compiles a kernel anew for arrays that are not."""
        self.ids.flags.writeable = False
        self.offsets.flags.writeable = False

    @property
    def longest(self) -> int:
        """Return the number of tokens of the longest sequence."""
        return int(np.diff(self.offsets).max(initial=0))

    def part(self, first: int, last: int) -> Block:
        """Return sequences ``first`` to ``last - 1``; the ids are not copied."""
        offsets = self.offsets[first : last + 1]
        return Block(self.ids[offsets[0] : offsets[-1]], offsets - offsets[0])


@dataclass(frozen=True)
class RowGroup:
    """Where a row group is, and how many tokens it holds."""

    part: str
    index: int
    size: int
    """Tokens that it holds."""


class SequenceTable:
    """The row groups of a snapshot's table of ids.

    Args:
        snapshot: holds the table.
        vocab_size: ids must be below this; kernels use them as addresses.
        table: ``sequences``, or ``held_out``.

    Raises:
        SnapshotError: if the table is absent or damaged.
    """

    unit = "words"

    def __init__(self, snapshot: Snapshot, vocab_size: int, table: Table = SEQUENCES) -> None:
        self._folder, self.manifest = snapshot.table(table)
        self._vocab_size = vocab_size
        self.read_ahead(1)
        self.row_groups = [group for part in self.manifest.parts for group in self._groups_of(part.name)]

    @property
    def size(self) -> int:
        """Return the number of tokens in all row groups."""
        return sum(group.size for group in self.row_groups)

    def check(self, world_size: int) -> None:
        """Refuse an empty table, and more processes than row groups.

        Raises:
            CorpusError: if there is no token.
            SetupError: if there are too many processes.
        """
        if not self.size:
            raise CorpusError("the snapshot has no sequence of two tokens or more to train on")
        if world_size > len(self.row_groups):
            raise SetupError(
                f"{world_size} processes cannot share {len(self.row_groups)} row groups; "
                "start at most one process per row group"
            )

    def order(self, *, epoch: int, seed: int) -> list[RowGroup]:
        """Return the row groups as this epoch takes them: shuffled, the same on every rank."""
        shuffled = np.random.default_rng([seed, epoch]).permutation(len(self.row_groups))
        return [self.row_groups[i] for i in shuffled]

    def rounds(self, pieces: Sequence[RowGroup], world_size: int) -> list[Round[RowGroup]]:
        """Deal out the row groups one by one: of each ``world_size`` that follow one another, rank r has the r-th."""
        rounds = [pieces[first : first + world_size] for first in range(0, len(pieces), world_size)]
        return [Round(groups, len(groups)) for groups in rounds]

    def read_ahead(self, blocks: int) -> None:
        """Read so many blocks ahead from now on, by a thread each: a GPU takes them faster than one reads."""
        self._ahead = blocks
        # The same threads for all epochs: each new one would get memory of its own from the allocator.
        self._readers = ThreadPoolExecutor(blocks, thread_name_prefix="read")

    def blocks(self, groups: Sequence[RowGroup]) -> Iterator[Block]:
        """Read row groups one after the other, ahead of the caller."""
        following = iter(groups)
        ahead = deque(self._readers.submit(self.read, group) for group in islice(following, self._ahead))
        while ahead:
            ready = ahead.popleft()
            ahead.extend(self._readers.submit(self.read, group) for group in islice(following, 1))
            yield ready.result()
            del ready  # with the block: no more than this one and those ahead are held

    @staticmethod
    def cut(block: Block, parts: int) -> list[Block]:
        """Cut a block between sequences; see :class:`embtrain.data.source.Divisible`."""
        ends = block.offsets[-1] * np.arange(1, parts) // parts
        edges = [0, *np.searchsorted(block.offsets, ends).tolist(), block.offsets.size - 1]
        return [block.part(first, last) for first, last in pairwise(edges)]

    def read(self, group: RowGroup) -> Block:
        """Read one row group.

        Raises:
            SnapshotError: if it cannot be read, or holds an id that the vocabulary has not.
        """
        where = f"row group {group.index} of {self._folder / group.part}"
        try:
            block = self._decode(group)
        except (pa.ArrowException, OSError) as error:
            raise SnapshotError(f"cannot read {where}: {error}; run prepare again") from None
        ids = block.ids
        if ids.size and not (ids.min() >= 0 and ids.max() < self._vocab_size):
            raise SnapshotError(
                f"{where} holds ids {ids.min()} to {ids.max()}, but the vocabulary has {self._vocab_size} tokens; "
                "the tables do not belong together: run prepare again"
            )
        return block

    def _decode(self, group: RowGroup) -> Block:
        """Decode a row group piece by piece, so that no more than its ids are held at once."""
        # Mapped rather than allocated: an allocator would keep the memory of blocks that are done.
        size = max(1, group.size) * np.dtype(np.int32).itemsize
        ids = np.frombuffer(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS), np.int32)
        lengths, filled = [np.zeros(1, np.int64)], 0
        path = f"{self._folder.path}/{group.part}"
        with _system_memory(), pq.ParquetFile(path, filesystem=self._folder.filesystem, buffer_size=READ_BYTES) as file:
            rows = file.metadata.row_group(group.index).num_rows
            pieces = file.iter_batches(
                max(1, PIECE_TOKENS * rows // max(1, group.size)), [group.index], columns=["ids"], use_threads=False
            )
            for piece in pieces:
                sequences = piece.column(0)
                tokens = sequences.flatten().to_numpy()
                ids[filled : filled + tokens.size] = tokens
                filled += tokens.size
                lengths.append(np.diff(sequences.offsets.to_numpy()).astype(np.int64))
        return Block(ids[:filled], np.cumsum(np.concatenate(lengths)))

    def _groups_of(self, part: str) -> list[RowGroup]:
        metadata = pq.read_metadata(f"{self._folder.path}/{part}", filesystem=self._folder.filesystem)
        # Of a list column the number of values is that of the items. An empty list would count as one.
        return [
            RowGroup(part, index, metadata.row_group(index).column(0).num_values)
            for index in range(metadata.num_row_groups)
        ]


@contextmanager
def _system_memory() -> Iterator[None]:
    """Let Arrow take memory from the system's allocator: its own keeps more than a row group for the next one.

    Where several threads read, the first that is done gives the others back to Arrow's own.
    """
    system = pa.system_memory_pool()
    pa.set_memory_pool(system)
    try:
        yield
    finally:
        pa.set_memory_pool(ARROWS_OWN)
        system.release_unused()

"""The ``sequences`` table as streams: sentences one after the other, in rows that are read side by side, both ways.

Every process reads every row group, and takes its share of the rows. So all of them do the same number of steps, and
know without asking which words the others predict; n processes of b rows train as one of n b rows.

Shapes: R rows of all processes, S steps a row, B rows of one process, D = 2 directions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embtrain.data.sequences import Block, RowGroup, SequenceTable
from embtrain.data.source import Round
from embtrain.distributed import Group

END, BEGIN = 0, 1
"""The ids of the marks ``</S>`` and ``<S>``."""

NUM_MARKS = 2
"""Words come after the marks: the id of a stream is that of the vocabulary and 2."""

NO_TARGET = -1
"""Where the last row is filled up."""

Ids = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Streams:
    """Text in rows. Each step of a row reads a word and predicts the next one, in each direction.

    Attributes:
        inputs: shape ``(D, S, R)``, int32. The second direction reads each sentence from its end.
        targets: likewise; ``NO_TARGET`` at places that only fill up.
        own: the rows of this process.
        seed: the same in all processes: what they draw by it, they draw alike.
    """

    inputs: Ids
    targets: Ids
    own: slice
    seed: int

    @property
    def steps(self) -> int:
        """Return S."""
        return int(self.inputs.shape[1])


@dataclass(frozen=True)
class Shuffled:
    """A row group, whose sentences come in an order of their own in each epoch."""

    row_group: RowGroup
    seed: int
    """Decides on the order of the sentences."""

    @property
    def size(self) -> int:
        """Return the number of its tokens."""
        return self.row_group.size


@dataclass(frozen=True)
class Share:
    """What one process trains on of a row group."""

    of: Shuffled
    rank: int
    size: int
    """Its part of the row group's tokens."""


class StreamTable:
    """The row groups of a table of ids, each shared out among all processes.

    Args:
        table: the sequences.
        group: the processes.
        batch_size: rows of each.
    """

    unit = "words"

    def __init__(self, table: SequenceTable, group: Group, batch_size: int) -> None:
        self._table, self._group, self._batch_size = table, group, batch_size

    @property
    def size(self) -> int:
        """Return the number of tokens in all row groups."""
        return self._table.size

    def check(self, world_size: int) -> None:
        """Refuse an empty table; see :class:`embtrain.data.source.Source`."""
        del world_size  # each row group has something for everyone
        self._table.check(1)

    def order(self, *, epoch: int, seed: int) -> list[Shuffled]:
        """Return the row groups, shuffled, each with a seed that no other, and no other epoch, has."""
        return [
            Shuffled(row_group, int(np.random.SeedSequence([seed, epoch, number]).generate_state(1, np.uint64)[0]))
            for number, row_group in enumerate(self._table.order(epoch=epoch, seed=seed))
        ]

    def rounds(self, pieces: Sequence[Shuffled], world_size: int) -> list[Round[Share]]:
        """Share out each row group: a round of training is a row group."""
        rounds = []
        for piece in pieces:
            bounds = [piece.size * rank // world_size for rank in range(world_size + 1)]
            rounds.append(Round([Share(piece, rank, bounds[rank + 1] - bounds[rank]) for rank in range(world_size)], 1))
        return rounds

    def blocks(self, shares: Sequence[Share]) -> Iterator[Streams]:
        """Read row groups, and lay their sentences out in rows."""
        blocks = self._table.blocks([share.of.row_group for share in shares])
        for share, block in zip(shares, blocks, strict=True):
            yield self.laid_out(block, share.rank, share.of.seed)

    def laid_out(self, block: Block, rank: int, seed: int) -> Streams:
        """Lay the sentences of a row group out in as many rows as all processes read."""
        rows = self._batch_size * self._group.world_size
        first = rank * self._batch_size
        return Streams(*lay_out(block, rows, seed), slice(first, first + self._batch_size), seed)


def lay_out(block: Block, rows: int, seed: int) -> tuple[Ids, Ids]:
    """Bring sentences into random order, end to end, and cut them into rows.

    As bilm-tf's, a sentence is read from its begin mark to its last word, and predicted from its first word to its end
    mark; in the second direction from its end mark to its first word, and from its last word to its begin mark.

    Args:
        block: the sentences.
        rows: R.
        seed: of the order.

    Returns:
        Inputs and targets, ``(D, S, R)`` each, S the least that all of them fit in.
    """
    order = np.random.default_rng(seed).permutation(len(block.offsets) - 1)
    lengths = np.diff(block.offsets)[order]
    last = np.cumsum(lengths + 1) - 1
    first = last - lengths
    # The place of each word within its sentence, and where that begins: in the block, and in the stream.
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    words = block.ids[np.repeat(block.offsets[:-1][order], lengths) + within] + np.int32(NUM_MARKS)
    streams = np.full((2, 2, rows * -(-(last[-1] + 1) // rows)), NO_TARGET, np.int32)
    from_first, from_last = np.repeat(first, lengths) + within, np.repeat(last, lengths) - within
    for direction, (mark_before, mark_after, place) in enumerate([(BEGIN, END, from_first), (END, BEGIN, from_last)]):
        # Read one step later than predicted; from the end the k-th word is predicted at the step last - 1 - k.
        predicted = place if direction == 0 else place - 1
        inputs, targets = streams[:, direction]
        inputs[first], inputs[predicted + 1] = mark_before, words
        targets[predicted], targets[last] = words, mark_after
    inputs, targets = streams
    inputs[inputs == NO_TARGET] = END
    by_rows = [array.reshape(2, rows, -1).transpose(0, 2, 1) for array in (inputs, targets)]
    return by_rows[0], by_rows[1]

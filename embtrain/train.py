"""The training loop: blocks of text or counts in, a trained model out, whatever the model.

Read :class:`Training` from top to bottom: epochs, rounds of one piece per process, merging, checkpoints,
the losses of an epoch. The loop knows neither what the model computes nor where its numbers go.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from embtrain.checkpoint import Checkpoint, Position
from embtrain.config import TrainSettings
from embtrain.data.source import Divisible, Piece, Source
from embtrain.distributed import Group
from embtrain.errors import ConfigError, TerminatedError
from embtrain.models.protocol import Merger, Model, Tally, alone

BlockT = TypeVar("BlockT")

PARTS_PER_MERGE = 2
"""What a merge has sent is added when the next part is done: half as late as if it waited for the next merge."""


@dataclass(frozen=True)
class Report:
    """What the loop tells its observer after each round, and with the losses of an epoch at its end."""

    position: Position
    learning_rate: float
    tally: Tally
    """Of this round, over all processes."""
    seconds: float
    """That the round's training took."""
    epoch: Tally | None = None
    """At the end of an epoch: of all its rounds."""
    held_out: Tally | None = None
    """At the end of an epoch, where there is held-out text."""


Observer = Callable[[Report], None]


@dataclass(frozen=True)
class Trained:
    """A round that has been trained on; the sums over all processes may still be under way."""

    position: Position
    """After it, but for its pairs and its loss."""
    seconds: float
    """That this process took."""
    totals: npt.NDArray[np.float64]
    """Items, pairs and loss, and whether the first process wants to save a checkpoint. Shape ``(4,)``."""
    wait: Callable[[], None]
    """Returns when the totals are there."""


@dataclass
class Training(Generic[BlockT]):
    """One run of the loop.

    Attributes:
        model: changed in place.
        source: what to train on.
        held_out: what is only measured.
        settings: epochs, seed, the learning rate's end, the time between checkpoints.
        learning_rate: at the start.
        group: the processes; each trains on its own pieces.
        checkpoint: where unfinished state goes.
        observe: called by the first process.
        advance: called by the first process as items are gone through; moves the progress bar.
        merge: brings the model's copies on these processes together.
        merge_words: that each process trains on between two merges.
        notes: kept in the checkpoint.
    """

    model: Model[BlockT]
    source: Source[BlockT]
    held_out: BlockT | None
    settings: TrainSettings
    learning_rate: float
    group: Group
    checkpoint: Checkpoint
    observe: Observer
    advance: Callable[[Tally], None]
    merge: Merger = alone
    merge_words: int = 1
    notes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what could not train."""
        self.source.check(self.group.world_size)
        self._saved = time.monotonic()

    def run(self, start: Position) -> Position:
        """Train from ``start`` to the end; return the final position.

        Raises:
            ConfigError: if the training diverges.
            TerminatedError: if the process is told to end, once the state is saved.
        """
        position = start
        for epoch in range(start.epoch, self.settings.epochs):
            order = self.source.order(epoch=epoch, seed=self.settings.seed)
            for after_round, is_due in self._reported(self._rounds(order, position), position):
                position = after_round
                if is_due:
                    self._save(position)
                    self._end_if_told()
            of_epoch = Tally(self.source.size, position.pairs, position.loss)
            position = Position(epoch + 1, 0, position.items)
            self._report_epoch(position, of_epoch)
        if position == start:  # interrupted after the training, whose end is saved
            self._report_epoch(position, Tally())
        else:
            # What comes after the training may fail too, and is then all that is done again.
            self._save(position)
        return position

    def _rounds(self, order: Sequence[Piece], position: Position) -> Iterator[Trained]:
        """Train on the rest of an epoch, one round at a time.

        In the last round some processes may have none. They take part in it all the same, without a change
        of their own, so that all merge equally often and each piece is trained on once.
        """
        rounds = self.source.rounds(order[position.pieces :], self.group.world_size)
        rank = self.group.rank
        blocks = self.source.blocks([round_.shares[rank] for round_ in rounds if rank < len(round_.shares)])
        for round_ in rounds:
            started = time.perf_counter()
            done = self._train(round_.shares, blocks, position)
            position = replace(
                position,
                pieces=position.pieces + round_.num_pieces,
                items=position.items + sum(share.size for share in round_.shares),
            )
            due = self.group.is_first and (
                self.group.is_told_to_end() or self.checkpoint.is_due(self._saved, self.settings.checkpoint_seconds)
            )
            totals = np.array([done.items, done.pairs, done.loss, due], np.float64)
            wait = self.group.begin_sum(totals)
            yield Trained(position, time.perf_counter() - started, totals, wait)

    def _train(self, shares: Sequence[Piece], blocks: Iterator[BlockT], position: Position) -> Tally:
        """Train on this process's block of a round, if it has one, and merge between its parts and at its end."""
        world, rank = self.group.world_size, self.group.rank
        items = [share.size for share in shares] + [0] * (world - len(shares))
        parts = 1
        if world > 1 and isinstance(self.source, Divisible):
            parts = PARTS_PER_MERGE * max(1, round(max(items) / self.merge_words))
        own: Sequence[BlockT | None] = [None] * parts
        if rank < len(shares):
            own = [next(blocks)] if parts == 1 else self.source.cut(next(blocks), parts)  # type: ignore[attr-defined]
        done = Tally()
        for part, block in enumerate(own):
            if block is not None:
                schedule = self._schedule(position.items, done.items, shares)
                for tally in self.model.train(block, schedule, self._seed(position, part)):
                    done += tally
                    self.advance(replace(tally, items=tally.items * len(shares)))
            self.merge([size / parts for size in items], settle=False)
        return done

    def _reported(self, rounds: Iterable[Trained], position: Position) -> Iterator[tuple[Position, bool]]:
        """Report rounds; yield the position after each, and whether to save it.

        Of several processes none waits for the others' sums of a round before it begins the next one: a round is
        reported when the one after it is done. But what is to be saved is reported first.
        """
        at_most = 0 if self.group.world_size == 1 else 1
        late: list[Trained] = []
        for round_ in rounds:
            late.append(round_)
            is_due = False
            while len(late) > (0 if is_due else at_most):
                position, wanted = self._report_round(late.pop(0), position)
                is_due = is_due or wanted
            yield position, is_due
        for round_ in late:
            position, _ = self._report_round(round_, position)
            yield position, False

    def _report_round(self, round_: Trained, position: Position) -> tuple[Position, bool]:
        """Wait for a round's sums and report them; return the position after it, and whether to save it."""
        round_.wait()
        items, pairs, loss, is_due = round_.totals.tolist()
        tally = Tally(int(items), int(pairs), loss)
        position = replace(round_.position, pairs=position.pairs + tally.pairs, loss=position.loss + tally.loss)
        if not math.isfinite(tally.loss):
            raise ConfigError(
                f"the loss is {tally.loss} after {position.items:,} {self.source.unit}: the training has diverged; "
                f"lower model.learning_rate, which is {self.learning_rate:g}"
            )
        if self.group.is_first:
            self.observe(self._report(position, tally, round_.seconds))
        return position, bool(is_due)

    def _schedule(self, before: int, own: int, shares: Sequence[Piece]) -> Callable[[int], float]:
        """Return the learning rate as a function of this process's items in a part of its block.

        Args:
            before: items of all processes before the round.
            own: of this process before the part.
            shares: of all processes.
        """
        items = sum(share.size for share in shares)
        return lambda in_part: self.rate_at(before + min((own + in_part) * len(shares), items))

    def rate_at(self, items: int) -> float:
        """Return the learning rate once so many items are done: linear from first to last, as word2vec.c."""
        progress = items / (self.settings.epochs * self.source.size)
        end = self.settings.final_learning_rate
        return max(end, self.learning_rate + (end - self.learning_rate) * progress)

    def _seed(self, position: Position, part: int) -> int:
        """Return a seed for a part of what this process trains on from here: nothing else of the run has it."""
        entropy = [self.settings.seed, position.epoch, position.pieces, part * self.group.world_size + self.group.rank]
        return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0])

    def _report(self, position: Position, tally: Tally, seconds: float) -> Report:
        return Report(position, self.rate_at(position.items), tally, seconds)

    def _report_epoch(self, position: Position, of_epoch: Tally) -> None:
        """Report the losses of an epoch; what the training's was is not known where a run goes on after its end."""
        if self.held_out is not None:
            self._settle()
        if self.group.is_first:
            # Always the same draws: what changes from epoch to epoch is the model.
            held_out = None if self.held_out is None else self.model.loss(self.held_out, seed=0)
            report = self._report(position, Tally(), 0.0)
            self.observe(replace(report, epoch=of_epoch, held_out=held_out))

    def _save(self, position: Position) -> None:
        self._settle()
        if self.group.is_first:
            self.checkpoint.save(position, self.model.state(), self.notes)
        self._saved = time.monotonic()

    def _end_if_told(self) -> None:
        if self.group.is_told_to_end():
            raise TerminatedError(
                f"told to end (SIGTERM); the state is saved in {self.checkpoint.folder}: start it again to go on"
            )

    def _settle(self) -> None:
        """Make all processes' copies of the model the same."""
        self.merge([0] * self.group.world_size, settle=True)

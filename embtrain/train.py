"""The training loop: blocks of text or counts in, a trained model out, whatever the model.

Read :class:`Training` from top to bottom: epochs, rounds of one piece per process, merging, checkpoints,
the losses of an epoch. The loop knows neither what the model computes nor where its numbers go.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import numpy as np

from embtrain.checkpoint import Checkpoint, Position
from embtrain.config import TrainSettings
from embtrain.data.source import Piece, Source
from embtrain.distributed import Group
from embtrain.errors import ConfigError
from embtrain.models.protocol import Merger, Model, Tally

BlockT = TypeVar("BlockT")


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
        merge: brings the model's copies on these processes together.
        checkpoint: where unfinished state goes.
        observe: called by the first process.
        advance: called by the first process as items are gone through; moves the progress bar.
    """

    model: Model[BlockT]
    source: Source[BlockT]
    held_out: BlockT | None
    settings: TrainSettings
    learning_rate: float
    group: Group
    merge: Merger
    checkpoint: Checkpoint
    observe: Observer
    advance: Callable[[Tally], None]
    notes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what could not train."""
        self.source.check(self.group.world_size)

    def run(self, start: Position) -> Position:
        """Train from ``start`` to the end; return the final position."""
        position = start
        saved = time.monotonic()
        for epoch in range(start.epoch, self.settings.epochs):
            order = self.source.order(epoch=epoch, seed=self.settings.seed)
            for after_round in self._rounds(order, position):
                position = after_round
                if self.checkpoint.is_due(saved, self.settings.checkpoint_seconds):
                    self._save(position)
                    saved = time.monotonic()
            of_epoch = Tally(self.source.size, position.pairs, position.loss)
            position = Position(epoch + 1, 0, position.items)
            self._report_epoch(position, of_epoch)
        if position == start:  # interrupted after the training
            self._report_epoch(position, Tally())
        # What comes after the training may fail too, and is then all that is done again.
        self._save(position)
        return position

    def _rounds(self, order: Sequence[Piece], position: Position) -> Iterator[Position]:
        """Train on the rest of an epoch, one round at a time.

        In the last round some processes may have none. They take part in it all the same, without a change
        of their own, so that all merge equally often and each piece is trained on once.
        """
        rounds = self.source.rounds(order[position.pieces :], self.group.world_size)
        rank = self.group.rank
        blocks = self.source.blocks([round_.shares[rank] for round_ in rounds if rank < len(round_.shares)])
        for round_ in rounds:
            contributors = len(round_.shares)
            items = sum(share.size for share in round_.shares)
            started = time.perf_counter()
            done = Tally()
            if rank < contributors:
                schedule = self._schedule(position.items, items, contributors)
                for tally in self.model.train(next(blocks), schedule, self._seed(position)):
                    done += tally
                    self.advance(replace(tally, items=tally.items * contributors))
            self.merge(contributors)
            totals = self.group.sum(np.array([done.items, done.pairs, done.loss], np.float64))
            tally = Tally(int(totals[0]), int(totals[1]), float(totals[2]))
            position = replace(
                position,
                pieces=position.pieces + round_.num_pieces,
                items=position.items + items,
                pairs=position.pairs + tally.pairs,
                loss=position.loss + tally.loss,
            )
            if not math.isfinite(tally.loss):
                raise ConfigError(
                    f"the loss is {tally.loss} after {position.items:,} {self.source.unit}: the training has diverged; "
                    f"lower model.learning_rate, which is {self.learning_rate:g}"
                )
            if self.group.is_first:
                self.observe(self._report(position, tally, time.perf_counter() - started))
            yield position

    def _schedule(self, before: int, items: int, processes: int) -> Callable[[int], float]:
        """Return the learning rate as a function of this process's items in a round."""
        return lambda own: self.rate_at(before + min(own * processes, items))

    def rate_at(self, items: int) -> float:
        """Return the learning rate once so many items are done: linear from first to last, as word2vec.c."""
        progress = items / (self.settings.epochs * self.source.size)
        end = self.settings.final_learning_rate
        return max(end, self.learning_rate + (end - self.learning_rate) * progress)

    def _seed(self, position: Position) -> int:
        """Return a seed for what this process trains on from here: no other process, place or epoch has it."""
        entropy = [self.settings.seed, position.epoch, position.pieces, self.group.rank]
        return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0])

    def _report(self, position: Position, tally: Tally, seconds: float) -> Report:
        return Report(position, self.rate_at(position.items), tally, seconds)

    def _report_epoch(self, position: Position, of_epoch: Tally) -> None:
        """Report the losses of an epoch; what the training's was is not known where a run goes on after its end."""
        if self.group.is_first:
            # Always the same draws: what changes from epoch to epoch is the model.
            held_out = None if self.held_out is None else self.model.loss(self.held_out, seed=0)
            report = self._report(position, Tally(), 0.0)
            self.observe(replace(report, epoch=of_epoch, held_out=held_out))

    def _save(self, position: Position) -> None:
        if self.group.is_first:
            self.checkpoint.save(position, self.model.state(), self.notes)

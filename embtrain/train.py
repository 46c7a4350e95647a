"""The training loop: blocks of the corpus in, a trained model out, whatever the model.

Read :class:`Training` from top to bottom: epochs, rounds of one row group per process, merging, checkpoints,
the held-out loss. The loop knows neither what the model computes nor where its numbers go.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from embtrain.checkpoint import Checkpoint, Position
from embtrain.config import TrainSettings
from embtrain.data.sequences import Block, RowGroup, SequenceTable
from embtrain.distributed import Group
from embtrain.errors import ConfigError, CorpusError, SetupError
from embtrain.models.protocol import Merger, Model, Tally


@dataclass(frozen=True)
class Report:
    """What the loop tells its observer after each round, and with the held-out loss after each epoch."""

    position: Position
    learning_rate: float
    tally: Tally
    """Of this round, over all processes."""
    seconds: float
    """That the round's training took."""
    held_out: Tally | None = None


Observer = Callable[[Report], None]


@dataclass
class Training:
    """One run of the loop.

    Attributes:
        model: changed in place.
        sequences: the text to train on.
        held_out: text that is only measured; at most one row group of it is read.
        settings: epochs, seed, the learning rate's end, the time between checkpoints.
        learning_rate: at the start.
        group: the processes; each trains on its own row groups.
        merge: brings the model's copies on these processes together.
        checkpoint: where unfinished state goes.
        observe: called by the first process.
        advance: called by the first process as tokens are gone through; moves the progress bar.
    """

    model: Model
    sequences: SequenceTable
    held_out: Block | None
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
        if not self.sequences.tokens:
            raise CorpusError("the snapshot has no sequence of two tokens or more to train on")
        if self.group.world_size > len(self.sequences.row_groups):
            raise SetupError(
                f"{self.group.world_size} processes cannot share {len(self.sequences.row_groups)} row groups; "
                "start at most one process per row group"
            )

    def run(self, start: Position) -> Position:
        """Train from ``start`` to the end; return the final position."""
        position = start
        saved = time.monotonic()
        for epoch in range(start.epoch, self.settings.epochs):
            order = self.sequences.order(epoch=epoch, seed=self.settings.seed)
            for after_round in self._rounds(order, position):
                position = after_round
                if time.monotonic() - saved >= self.settings.checkpoint_seconds:
                    self._save(position)
                    saved = time.monotonic()
            position = Position(epoch + 1, 0, position.tokens)
            self._report_held_out(position)
        if position == start:  # interrupted after the training
            self._report_held_out(position)
        # What comes after the training may fail too, and is then all that is done again.
        self._save(position)
        return position

    def _rounds(self, order: list[RowGroup], position: Position) -> Iterator[Position]:
        """Train on the rest of an epoch, one row group per process at a time.

        In the last round some processes may have none. They take part in it all the same, without a change
        of their own, so that all merge equally often and each row group is trained on once.
        """
        world = self.group.world_size
        rest = order[position.row_groups :]
        blocks = self.sequences.blocks(rest[self.group.rank :: world])
        for first in range(0, len(rest), world):
            round_ = rest[first : first + world]
            tokens = sum(group.tokens for group in round_)
            started = time.perf_counter()
            done = Tally()
            if self.group.rank < len(round_):
                seed = self._seed(position.epoch, position.row_groups + self.group.rank)
                schedule = self._schedule(position.tokens, tokens, len(round_))
                for tally in self.model.train(next(blocks), schedule, seed):
                    done += tally
                    self.advance(replace(tally, tokens=tally.tokens * len(round_)))
            self.merge(len(round_))
            totals = self.group.sum(np.array([done.tokens, done.pairs, done.loss], np.float64))
            position = Position(position.epoch, position.row_groups + len(round_), position.tokens + tokens)
            tally = Tally(int(totals[0]), int(totals[1]), float(totals[2]))
            if not math.isfinite(tally.loss):
                raise ConfigError(
                    f"the loss is {tally.loss} after {position.tokens:,} tokens: the training has diverged; "
                    f"lower model.learning_rate, which is {self.learning_rate:g}"
                )
            if self.group.is_first:
                self.observe(self._report(position, tally, time.perf_counter() - started))
            yield position

    def _schedule(self, before: int, tokens: int, processes: int) -> Callable[[int], float]:
        """Return the learning rate as a function of this process's tokens in a round."""
        return lambda own: self.rate_at(before + min(own * processes, tokens))

    def rate_at(self, tokens: int) -> float:
        """Return the learning rate once so many tokens are done: linear from first to last, as word2vec.c."""
        progress = tokens / (self.settings.epochs * self.sequences.tokens)
        end = self.settings.final_learning_rate
        return max(end, self.learning_rate + (end - self.learning_rate) * progress)

    def _seed(self, epoch: int, row_group: int) -> int:
        """Return a seed for a row group that no other, and no other epoch, has."""
        return int(np.random.SeedSequence([self.settings.seed, epoch, row_group]).generate_state(1, np.uint64)[0])

    def _report(self, position: Position, tally: Tally, seconds: float) -> Report:
        return Report(position, self.rate_at(position.tokens), tally, seconds)

    def _report_held_out(self, position: Position) -> None:
        if self.group.is_first and self.held_out is not None:
            # Always the same draws: what changes from epoch to epoch is the model.
            held_out = self.model.loss(self.held_out, seed=0)
            self.observe(replace(self._report(position, Tally(), 0.0), held_out=held_out))

    def _save(self, position: Position) -> None:
        if self.group.is_first:
            self.checkpoint.save(position, self.model.state(), self.notes)

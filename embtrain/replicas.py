"""Each process's copy of the matrices that it trains, brought together while the training goes on.

Between two merges every process trains its copy on other text. A merge adds the changes of all processes to what
they last agreed on. It costs little (docs/decisions/0012 has the measurements):

- A row takes part as often as its word occurs: those of the most frequent words in every merge, others in every second,
  fourth and so on. So a merge is a small message.
- The message is on its way while the processes train on; what it brings is added at the end of the next part of the
  text. No row is touched in between, so a process of one thread always computes the same.

This is the overlapped averaging of Wang et al. (2020, "Overlap local-SGD", section 2), row by row, with sums where
averages would lose what only one process has learnt (docs/decisions/0008).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from embtrain.distributed import Group
from embtrain.kernels.merging import add_changes, take_changes

OCCURRENCES_PER_MERGE = 40
"""Occurrences of a word in a process that are waited for before its rows take part in a merge again."""

MOST_GAIN = 1.5
"""How many times as far as the mean of the processes' changes a row goes after so many occurrences in each.

By 2.2 four processes that merge often nearly diverge, and by 2.7 eight do; by less, rare words learn less.
"""

LONGEST_WAIT = 128
"""Every row takes part in one of so many merges. A power of two."""

PACES = tuple(1 << doubling for doubling in range(LONGEST_WAIT.bit_length()))
"""How often rows may take part: in every merge, every second, fourth, and so on."""

SETTLING_MESSAGES = 8
"""In so many, of as many rows each, all rows are brought together, so that few are on their way at a time."""

EARLY = 2 / 3
"""Of the words between two merges: where a part of the text ends there, the merge comes early rather than late."""


Due = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]
"""Rows that take part in a merge, and the share of each one's summed changes that is added. Shape ``(M,)`` both."""


class Changes(NamedTuple):
    """Of some rows of a matrix."""

    rows: npt.NDArray[np.int64]
    """Shape ``(M,)``."""
    share: npt.NDArray[np.float32]
    """Of the sum, that is added. Shape ``(M,)``."""
    sent: torch.Tensor
    """By this process, bfloat16: as far as float32 reaches, in half the bytes. Shape ``(M, S)``."""
    total: torch.Tensor
    """Of all processes, once they are there. Likewise."""


class Replica:
    """A process's copy of one matrix, and a second copy, of what all have agreed on.

    Args:
        world_size: of the processes.
        rows: changed in place, on the CPU or a GPU. Shape ``(V, S)``, float32, rows end to end.
        occurrence: how often a word of the text changes each row. Shape ``(V,)``, float64.
        words: that each process trains on between two merges.
    """

    def __init__(self, world_size: int, rows: torch.Tensor, occurrence: npt.NDArray[np.float64], words: float) -> None:
        self.rows, self.agreed = rows, rows.clone()
        self._occurrence = occurrence
        self._turns = turns(occurrence * words)
        self._merged_at = {turn: np.zeros(world_size) for turn in self._turns}

    def due(self, merge: int, words: npt.NDArray[np.float64]) -> Due:
        """Return the rows whose turn it is.

        Args:
            merge: its number.
            words: that each process has trained on so far, by rank. Shape ``(W,)``.
        """
        turns_due = [(every, merge % every) for every in PACES]
        return self._with_shares([self._turns[turn] for turn in turns_due], self._since(turns_due, words))

    def all_rows(self, words: npt.NDArray[np.float64]) -> Iterator[Due]:
        """Yield all rows, as many parts as there are messages to settle."""
        since, parts = self._since(list(self._turns), words), SETTLING_MESSAGES
        for part in range(parts):  # a few rows more of one turn, a few less of the next
            of_turns = [rows[(part + place) % parts :: parts] for place, rows in enumerate(self._turns.values())]
            yield self._with_shares(of_turns, since)

    def _since(self, chosen: Sequence[tuple[int, int]], words: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the words since some turns were last merged, and note that now they are. Shape ``(T, W)``."""
        since = np.array([words - self._merged_at[turn] for turn in chosen])
        self._merged_at.update(dict.fromkeys(chosen, words.copy()))
        return since

    def _with_shares(self, of_turns: Sequence[npt.NDArray[np.int64]], since: npt.NDArray[np.float64]) -> Due:
        """Return the rows of all these turns, and the share of each one's sum that is added."""
        rows, sizes = np.concatenate(of_turns), [of_turn.size for of_turn in of_turns]
        longest, of_all = (words.repeat(sizes) for words in (since.max(axis=1), since.sum(axis=1)))
        return rows, merge_share(self._occurrence[rows], longest, of_all, since.shape[1])


class Replicas:
    """A process's copies of all matrices of a model: a :class:`embtrain.models.protocol.Merger`.

    Args:
        group: the processes.
        matrices: as :class:`Replica` takes them, each with the occurrence of its rows.
        words: that each process trains on between two merges.
    """

    def __init__(
        self, group: Group, matrices: Sequence[tuple[torch.Tensor, npt.NDArray[np.float64]]], words: float
    ) -> None:
        self._group = group
        self._replicas = [Replica(group.world_size, rows, occurrence, words) for rows, occurrence in matrices]
        self._on_their_way: list[Changes] = []
        self._arrive: Callable[[], None] = lambda: None
        self._words_between = words
        self._words = np.zeros(group.world_size)
        self._merged_at, self._settled_at = self._words.copy(), self._words.copy()
        self._merges = 0

    def __call__(self, items: Sequence[float], *, settle: bool) -> None:
        """Merge if it is time to; see :class:`embtrain.models.protocol.Merger`."""
        self._words += items
        if settle:
            self._settle()
            return
        self._receive()
        if (self._words - self._merged_at).max() >= EARLY * self._words_between:
            self._send([replica.due(self._merges, self._words) for replica in self._replicas])
            self._merges += 1
            self._merged_at = self._words.copy()

    def _send(self, due: Sequence[Due]) -> None:
        """Begin to send the changes of some rows of each matrix, in one message."""
        sent = [
            take(replica.rows, replica.agreed, rows) for replica, (rows, _) in zip(self._replicas, due, strict=True)
        ]
        message = torch.cat([changes.view(-1) for changes in sent])
        totals = torch.split(message, [changes.numel() for changes in sent])
        self._on_their_way = [
            Changes(rows, share, changes, total.view_as(changes))
            for (rows, share), changes, total in zip(due, sent, totals, strict=True)
        ]
        self._arrive = self._group.begin_sum(message)

    def _receive(self) -> None:
        """Add what was sent, by all, to what is agreed on and to these copies."""
        if self._on_their_way:
            self._arrive()
            self._arrive = lambda: None  # which lets the message go
            for replica, changes in zip(self._replicas, self._on_their_way, strict=True):
                add(replica.rows, replica.agreed, changes)
            self._on_their_way = []

    def _settle(self) -> None:
        """Bring all rows together, some at a time; afterwards all copies are the same."""
        if (self._words == self._settled_at).all():
            return
        for due in zip(*(replica.all_rows(self._words) for replica in self._replicas), strict=True):
            self._receive()
            self._send(due)
        self._receive()
        for replica in self._replicas:
            replica.rows.copy_(replica.agreed)
        self._merged_at, self._settled_at = self._words.copy(), self._words.copy()


def turns(occurrences: npt.NDArray[np.float64]) -> dict[tuple[int, int], npt.NDArray[np.int64]]:
    """Decide in which merges each row takes part: ``(n, k)`` names the rows of every n-th from the k-th on.

    n is a power of two: the rows of words that occur half as often take part half as often.

    Args:
        occurrences: of each row's word between two merges, in one process. Shape ``(V,)``.
    """
    waits = OCCURRENCES_PER_MERGE / occurrences.clip(OCCURRENCES_PER_MERGE / LONGEST_WAIT, OCCURRENCES_PER_MERGE)
    doublings = np.log2(waits).astype(np.int64)
    of_turn = {}
    for doubling, every in enumerate(PACES):
        rows = np.flatnonzero(doublings == doubling)
        for k in range(every):
            of_turn[every, k] = rows[k::every]
    return of_turn


def merge_share(
    occurrence: npt.NDArray[np.float64],
    longest: npt.NDArray[np.float64],
    of_all: npt.NDArray[np.float64],
    num_processes: int,
) -> npt.NDArray[np.float32]:
    """Return the share of each row's summed changes: 1 adds them up, 1 / W averages those of W processes.

    After n occurrences of its word a row has gone n / (n + a) of the way to where the text pulls it. The changes of W
    processes with n each are to add up to what W n would do; a is such that this is ``MOST_GAIN`` times their mean for
    ``OCCURRENCES_PER_MERGE``, fewer than which only rare words have between two merges.

    Args:
        occurrence: how often a word of the text changes each row. Shape ``(M,)``, as all that follows.
        longest: the most words that a process has trained on since the row was merged.
        of_all: what all have, together.
        num_processes: W.
    """
    to_settle = OCCURRENCES_PER_MERGE * (MOST_GAIN - 1) / (1 - MOST_GAIN / num_processes)
    share: npt.NDArray[np.float32] = ((occurrence * longest + to_settle) / (occurrence * of_all + to_settle)).astype(
        np.float32
    )
    return share


def take(rows: torch.Tensor, agreed: torch.Tensor, which: npt.NDArray[np.int64]) -> torch.Tensor:
    """Return what has changed in some rows since the last agreement, as bfloat16. Shape ``(M, S)``."""
    if rows.is_cuda:
        return take_by_torch(rows, agreed, which)
    changes = np.empty((which.size, rows.shape[1]), np.uint16)
    take_changes(rows.numpy(), agreed.numpy(), which, changes)
    return torch.from_numpy(changes).view(torch.bfloat16)


def add(rows: torch.Tensor, agreed: torch.Tensor, changes: Changes) -> None:
    """Add a share of the sum of all processes' changes, and take back from the rows those of this one."""
    if rows.is_cuda:
        add_by_torch(rows, agreed, changes)
        return
    halves = (part.view(torch.uint16).numpy() for part in (changes.sent, changes.total))
    add_changes(rows.numpy(), agreed.numpy(), changes.rows, changes.share, *halves)


def take_by_torch(rows: torch.Tensor, agreed: torch.Tensor, which: npt.NDArray[np.int64]) -> torch.Tensor:
    """Do what :func:`take` does on any device."""
    chosen = torch.from_numpy(which).to(rows.device)
    return (rows[chosen] - agreed[chosen]).bfloat16()


def add_by_torch(rows: torch.Tensor, agreed: torch.Tensor, changes: Changes) -> None:
    """Do what :func:`add` does on any device."""
    chosen = torch.from_numpy(changes.rows).to(rows.device)
    change = torch.from_numpy(changes.share).to(rows.device)[:, None] * changes.total.float()
    agreed.index_add_(0, chosen, change)
    rows.index_add_(0, chosen, change - changes.sent.float())

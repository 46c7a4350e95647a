"""Rows on a GPU that batches of products read and add to: of which none moves further than it bears."""

from __future__ import annotations

import torch


class BoundedRows:
    """This process's columns of a matrix.

    Args:
        rows: changed in place. Shape ``(R, C)``.
    """

    def __init__(self, rows: torch.Tensor) -> None:
        self.rows = rows
        self._weights = rows.new_zeros(len(rows))

    def read(self, ids: torch.Tensor) -> torch.Tensor:
        """Return rows by their ids. Shape ``(N, C)``."""
        return self.rows[ids]

    def add(self, ids: torch.Tensor, steps: torch.Tensor, weight: torch.Tensor, pace: torch.Tensor | float) -> None:
        """Add all steps of a batch, of each row so much that its learning rates add up to no more than they may.

        Args:
            ids: of the rows, each as often as it likes. Shape ``(N,)``.
            steps: their steps. Shape ``(N, C)``.
            weight: how many products each step is of. Shape ``(N,)``.
            pace: the learning rate, of all steps or of each, / what those of a row may add up to.
        """
        self._weights.index_add_(0, ids, weight)
        shares = 1 / (pace * self._weights[ids]).clamp(min=1)
        self.rows.index_add_(0, ids, shares[:, None] * steps)
        self._weights.index_fill_(0, ids.long(), 0)


class ComposedRows:
    """The words of a batch, by their numbers, each as the sum of its rows times a factor.

    They are as the batch has found them: what they learn goes to their rows alone, each of which takes a word's whole
    step, as in :mod:`embtrain.kernels.column_words`.

    Args:
        rows: of words and n-grams.
        members: the ids of the rows of all words, one word after the other. Shape ``(M,)``.
        member_of: the number of the word that each is of. Shape ``(M,)``.
        factors: of each word. Shape ``(W,)``, float32.
    """

    def __init__(
        self, rows: BoundedRows, members: torch.Tensor, member_of: torch.Tensor, factors: torch.Tensor
    ) -> None:
        self._rows, self._members, self._member_of = rows, members, member_of
        gathered = rows.read(members) * factors[member_of, None]
        self._words = gathered.new_zeros(len(factors), gathered.shape[1]).index_add_(0, member_of, gathered)

    def read(self, numbers: torch.Tensor) -> torch.Tensor:
        """Return words by their numbers. Shape ``(N, C)``."""
        return self._words[numbers]

    def add(self, numbers: torch.Tensor, steps: torch.Tensor, weight: torch.Tensor, pace: torch.Tensor | float) -> None:
        """Add all steps of a batch to the words' rows; see :meth:`BoundedRows.add`."""
        of_words = torch.zeros_like(self._words).index_add_(0, numbers, steps)
        weights = weight.new_zeros(len(of_words)).index_add_(0, numbers, weight)
        self._rows.add(self._members, of_words[self._member_of], weights[self._member_of], pace)

"""What a biLM's top layer predicts: the next word, against sampled words in training, against all in measuring.

Shapes: D = 2 directions, V words, N predictions of a direction, P numbers of a prediction, S candidates, E other rows.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from embtrain.models.elmo.bilm import DIRECTIONS

SCORES_AT_ONCE = 1 << 24
"""Scores that are held at the same time where all words are scored."""


NEVER = -1e30
"""Makes exp of a score 0 when added to it; unlike infinity it leaves all gradients finite."""


class Rows(NamedTuple):
    """A copy of the rows that a batch needs, which gets the gradient in place of the whole matrix."""

    weight: Tensor
    """Shape ``(D or 1, S + E, P)``."""
    bias: Tensor
    """Shape ``(D or 1, S + E)``."""


class Softmax(nn.Module):
    """A weight and a bias for each word, of each direction or of both.

    Args:
        vocab_size: V.
        dim: P.
        shared: both directions have the same.
    """

    def __init__(self, vocab_size: int, dim: int, *, shared: bool) -> None:
        super().__init__()
        sets = 1 if shared else DIRECTIONS
        self.weight = nn.Parameter(torch.empty(sets, vocab_size, dim))
        self.bias = nn.Parameter(torch.zeros(sets, vocab_size))
        nn.init.normal_(self.weight, std=1 / math.sqrt(dim))

    def rows(self, ids: Tensor) -> Rows:
        """Return a copy of some words' weights and biases that wants a gradient."""
        return Rows(
            self.weight.detach()[:, ids].requires_grad_(),
            self.bias.detach()[:, ids].requires_grad_(),
        )

    @torch.no_grad()
    def exact_loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Return the summed loss of each direction against all words.

        Args:
            hidden: shape ``(D, N, P)``.
            targets: ids; those below 0 do not count. Shape ``(D, N)``.

        Returns:
            Nats, float64. Shape ``(D,)``.
        """
        at_once = max(1, SCORES_AT_ONCE // self.weight.shape[1])
        losses = hidden.new_zeros(DIRECTIONS, dtype=torch.float64)
        for direction, (of_direction, wanted) in enumerate(zip(hidden, targets, strict=True)):
            weight, bias = self.weight[direction % len(self.weight)], self.bias[direction % len(self.bias)]
            for some, ids in zip(of_direction.split(at_once), wanted.split(at_once), strict=True):
                scores = torch.addmm(bias, some, weight.T)
                loss = functional.cross_entropy(scores, ids, ignore_index=-1, reduction="none")
                losses[direction] += loss.sum(dtype=torch.float64)
        return losses


def sampled_loss(hidden: Tensor, targets: Tensor, rows: Rows, size: int, log_expected: Tensor) -> Tensor:
    """Return the summed loss of predictions against the candidates (Jean et al., 2015), as TensorFlow computes it.

    A target that was drawn as candidate, too, counts once. Where the candidates are all words this is the exact loss.

    Args:
        hidden: shape ``(D, N, P)``.
        targets: places among the rows; those below 0 do not count. Shape ``(D, N)``.
        rows: of the candidates, and of further targets.
        size: S.
        log_expected: shape ``(S + E,)``.

    Returns:
        Nats, float32. Shape ``()``.
    """
    counts = targets >= 0
    wanted = targets.clamp(min=0)
    bias = rows.bias - log_expected
    weight = rows.weight.to(hidden.dtype)
    total = hidden.new_zeros((), dtype=torch.float32)
    for direction, own in enumerate(hidden):
        of = direction % len(weight)
        own_wanted = wanted[direction]
        true = (own * functional.embedding(own_wanted, weight[of])).sum(dim=1) + bias[of][own_wanted]
        scores = torch.addmm(bias[of, :size].to(own.dtype), own, weight[of, :size].T).float()
        # Every row adds to one score, for to count the rows that must, a GPU would have to be waited for.
        never = torch.where(own_wanted < size, NEVER, 0.0)[:, None]
        scores = scores.scatter_add_(1, own_wanted.clamp(max=size - 1)[:, None], never)
        loss = torch.logaddexp(scores.logsumexp(dim=1), true.float()) - true.float()
        total = total + (loss * counts[direction]).sum()
    return total

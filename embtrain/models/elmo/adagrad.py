"""Adagrad (Duchi et al., 2011), as bilm-tf has it: of a softmax only those rows are touched that have a gradient.

A row without gradient would not change by a step of Adagrad, so this is the same as stepping with the whole matrix; of
Adam's moments it would not be.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from embtrain.models.elmo.softmax import Softmax

INITIAL_SUM = 1.0
"""The first steps are no longer than the learning rate times the gradient."""


class Adagrad:
    """Sums of squared gradients, and steps divided by their roots.

    Args:
        weights: that always have a gradient.
        softmax: of which some rows have one.

    Attributes:
        sums: of each weight, of its shape.
    """

    def __init__(self, weights: Iterable[nn.Parameter], softmax: Softmax) -> None:
        self._weights: list[Tensor] = list(weights)
        self._softmax = softmax
        of_all = [*self._weights, softmax.weight, softmax.bias]
        self.sums = {weight: torch.full_like(weight, INITIAL_SUM).detach() for weight in of_all}

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], ids: Tensor, learning_rate: float, max_norm: float) -> None:
        """Take a step.

        Args:
            gradients: of the weights, and of the rows of the softmax's weight and bias.
            ids: of these rows, each once, where the softmax is.
            learning_rate: of the gradients.
            max_norm: if the norm of all gradients together is larger, they are scaled down to it.
        """
        norm = nn.utils.get_total_norm(gradients)
        factor = (max_norm / norm).clamp(max=1.0)
        torch._foreach_mul_(list(gradients), factor)
        *of_weights, of_weight, of_bias = gradients
        sums = [self.sums[weight] for weight in self._weights]
        torch._foreach_addcmul_(sums, of_weights, of_weights)
        roots = torch._foreach_sqrt(sums)  # noqa: SLF001 - by which torch's own optimisers step, too
        torch._foreach_addcdiv_(self._weights, of_weights, roots, -learning_rate)
        for weight, gradient in ((self._softmax.weight, of_weight), (self._softmax.bias, of_bias)):
            of_rows = self.sums[weight][:, ids].addcmul_(gradient, gradient)
            self.sums[weight][:, ids] = of_rows
            weight[:, ids] -= learning_rate * gradient / of_rows.sqrt()


def take_gradients(weights: Iterable[Tensor]) -> list[Tensor]:
    """Return the gradients of weights, which are then forgotten."""
    found = []
    for weight in weights:
        assert weight.grad is not None
        found.append(weight.grad)
        weight.grad = None
    return found

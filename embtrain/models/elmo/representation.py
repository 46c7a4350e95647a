"""From a biLM's layers to one vector per token, by weights that a task learns (Peters et al., 2018, eq. 1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Representation(nn.Module):
    r"""The weighted sum of layers, times a factor.

    .. math:: \gamma \sum_l \mathrm{softmax}(s)_l \, h_l

    The biLM below is frozen: its layers come in as data, and only s and gamma are trained. Equal weights at first.

    Args:
        num_layers: L, with that of the words.
        layer_norm: bring each token's numbers in each layer to mean 0 and variance 1 before. bilm-tf and AllenNLP take
            both over a whole batch; here a token's vector does not depend on other sentences.

    Attributes:
        s: shape ``(L,)``.
        gamma: shape ``()``.
    """

    def __init__(self, num_layers: int, *, layer_norm: bool = False) -> None:
        super().__init__()
        self.s = nn.Parameter(torch.zeros(num_layers))
        self.gamma = nn.Parameter(torch.ones(()))
        self._layer_norm = layer_norm

    @property
    def weights(self) -> Tensor:
        """Return the share of each layer; they sum to 1. Shape ``(L,)``."""
        return self.s.softmax(dim=0)

    def forward(self, layers: Tensor) -> Tensor:
        """Mix layers.

        Args:
            layers: shape ``(L, ..., dim)``.

        Returns:
            Shape ``(..., dim)``.
        """
        if self._layer_norm:
            layers = functional.layer_norm(layers, layers.shape[-1:])
        mixed: Tensor = self.gamma * torch.tensordot(self.weights, layers, dims=1)
        return mixed

"""Words from their characters: embedding, convolutions, highways, projection (Kim et al., 2016; Peters et al., 2018).

Shapes: N words, K characters a word, F filters of all widths, P numbers a word.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from embtrain.config import ElmoArchitecture
from embtrain.text.characters import NUM_CHARACTERS


class CharacterEncoder(nn.Module):
    """From the characters of words to vectors; a word's depends on nothing but its characters.

    Args:
        architecture: sizes.
    """

    def __init__(self, architecture: ElmoArchitecture) -> None:
        super().__init__()
        char_dim, num_filters = architecture.char_dim, architecture.num_filters
        # 0 fills places without a word, which no one encodes.
        self.embedding = nn.Embedding(NUM_CHARACTERS, char_dim, padding_idx=0)
        nn.init.uniform_(self.embedding.weight[1:], -1, 1)
        convolutions = nn.ModuleList(nn.Conv1d(char_dim, number, width) for width, number in architecture.filters)
        self.convolutions = cast("Sequence[nn.Conv1d]", convolutions)
        self.activation = {"relu": torch.relu, "tanh": torch.tanh}[architecture.activation]
        self._initialise_convolutions(architecture.activation)
        highways = nn.ModuleList(Highway(num_filters) for _ in range(architecture.highways))
        self.highways = cast("Sequence[Highway]", highways)
        self.projection = nn.Linear(num_filters, architecture.projection_dim)
        nn.init.normal_(self.projection.weight, std=1 / math.sqrt(num_filters))
        nn.init.zeros_(self.projection.bias)

    def forward(self, characters: Tensor) -> Tensor:
        """Encode words.

        Args:
            characters: ids as :func:`embtrain.text.characters.word_characters` gives them, the first
                :meth:`characters_read` of each word at least. Shape ``(N, K)``.

        Returns:
            Shape ``(N, P)``.
        """
        embedded = self.embedding(characters).mT
        # The activations rise, so that the largest sum has the largest activation, too: N x F of them are computed.
        strongest = [convolution(embedded).amax(dim=2) for convolution in self.convolutions]
        words = self.activation(torch.cat(strongest, dim=1))
        for highway in self.highways:
            words = highway(words)
        projected: Tensor = self.projection(words)
        return projected

    def characters_read(self, longest: int) -> int:
        """Return how many characters matter of words of which the longest has so many.

        What comes later is padding that all of them have; but for one window, all windows on it give what that gives.
        """
        return longest + max(convolution.kernel_size[0] for convolution in self.convolutions)

    def _initialise_convolutions(self, activation: str) -> None:
        for convolution in self.convolutions:
            if activation == "relu":
                nn.init.uniform_(convolution.weight, -0.05, 0.05)
            else:
                nn.init.normal_(convolution.weight, std=1 / math.sqrt(convolution.weight[0].numel()))
            nn.init.zeros_(cast("Tensor", convolution.bias))


class Highway(nn.Module):
    """A layer that passes on a learned share of its input unchanged (Srivastava et al., 2015).

    ::

        g = sigmoid(x C + c)
        y = g relu(x T + t) + (1 - g) x

    Args:
        dim: of its input and output.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.carry, self.transform = nn.Linear(dim, dim), nn.Linear(dim, dim)
        for linear in (self.carry, self.transform):
            nn.init.normal_(linear.weight, std=1 / math.sqrt(dim))
        # As bilm-tf: at first most of the input passes unchanged.
        nn.init.constant_(self.carry.bias, -2.0)
        nn.init.zeros_(self.transform.bias)

    def forward(self, words: Tensor) -> Tensor:
        """Return the mixture. Shapes ``(N, dim)``."""
        return torch.lerp(words, torch.relu(self.transform(words)), torch.sigmoid(self.carry(words)))

"""ELMo's biLM as one writes it with torch's own modules: the peer of ``bench_elmo.py``.

Every word of a batch is encoded where it stands, ``torch.nn.LSTM`` has projections but clips nothing, every word of the
vocabulary is scored, and autograd and ``torch.optim`` do the rest.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from embtrain.config import ElmoSettings


class PlainBiLM(nn.Module):
    """Encoder, two LSTMs per direction, one softmax over all words.

    Args:
        settings: sizes.
        characters: of each word, ``(V, 50)``.
    """

    def __init__(self, settings: ElmoSettings, characters: Tensor) -> None:
        super().__init__()
        self.dropout = nn.Dropout(settings.dropout)
        self.register_buffer("characters", characters)
        self.embedding = nn.Embedding(262, settings.char_dim)
        kinds = settings.filters
        self.convolutions = nn.ModuleList(nn.Conv1d(settings.char_dim, number, width) for width, number in kinds)
        dim = settings.num_filters
        self.highways = nn.ModuleList(nn.Linear(dim, 2 * dim) for _ in range(settings.highways))
        for highway in self.highways:
            nn.init.constant_(highway.bias[dim:], -2.0)
        size = settings.projection_dim
        self.projection = nn.Linear(dim, size)
        self.lstms = nn.ModuleList(
            nn.ModuleList(nn.LSTM(size, settings.cell_dim, proj_size=size) for _ in range(settings.layers))
            for _ in range(2)
        )
        for name, bias in self.lstms.named_parameters():
            if "bias_ih" in name:
                nn.init.constant_(bias[settings.cell_dim : 2 * settings.cell_dim], 1.0)
        self.softmax = nn.Linear(size, len(characters))

    def forward(self, inputs: Tensor, states: list[tuple[Tensor, Tensor] | None]) -> tuple[Tensor, list]:
        """Score all words after each one, ``(2, T, B, V)``; also return the state of each LSTM."""
        scores, new_states = [], []
        for direction, lstms in enumerate(self.lstms):
            layer = self.words(inputs[direction])
            for depth, lstm in enumerate(lstms):
                below = self.dropout(layer)
                layer, state = lstm(below, states[len(new_states)])
                new_states.append(tuple(part.detach() for part in state))
                layer = layer + below if depth else layer
            scores.append(self.softmax(self.dropout(layer)))
        return torch.stack(scores), new_states

    def words(self, ids: Tensor) -> Tensor:
        """Encode words, ``(T, B)`` to ``(T, B, P)``."""
        embedded = self.embedding(self.characters[ids.flatten()]).mT
        words = torch.cat([torch.relu(conv(embedded)).amax(dim=2) for conv in self.convolutions], dim=1)
        for highway in self.highways:
            transform, carry = highway(words).chunk(2, dim=1)
            carry = torch.sigmoid(carry)
            words = carry * torch.relu(transform) + (1 - carry) * words
        return self.projection(words).view(*ids.shape, -1)

"""The bidirectional language model (Peters et al., 2018): one encoder of words, a stack of LSTMs for each direction.

Shapes: D = 2 directions, T steps, B rows of a batch, P numbers of a word, L layers with that of the words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from embtrain.config import ElmoArchitecture
from embtrain.models.elmo.characters import CharacterEncoder
from embtrain.models.elmo.lstm import LstmLayer, LstmState

DIRECTIONS = 2
"""Forward, and backward: the latter reads each sentence from its end."""


class BiLM(nn.Module):
    """What ELMo's layers are computed by.

    Attributes:
        architecture: sizes.
        characters: encodes words.
        lstms: layer by layer, both directions in each.
    """

    def __init__(self, architecture: ElmoArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.characters = CharacterEncoder(architecture)
        lstms = nn.ModuleList(
            LstmLayer(
                directions=DIRECTIONS,
                input_dim=architecture.projection_dim,
                cell_dim=architecture.cell_dim,
                projection_dim=architecture.projection_dim,
                cell_clip=architecture.cell_clip,
                projection_clip=architecture.projection_clip,
            )
            for _ in range(architecture.layers)
        )
        self.lstms = cast("Sequence[LstmLayer]", lstms)

    def initial_states(self, rows: int) -> list[LstmState]:
        """Return the states of all layers before the first word."""
        return [lstm.initial_state(rows) for lstm in self.lstms]

    def forward(
        self,
        words: Tensor,
        states: Sequence[LstmState],
        lengths: Tensor | None = None,
        dropout: Callable[[Tensor], Tensor] = nn.Identity(),  # noqa: B008 - has no state
    ) -> tuple[list[Tensor], list[LstmState]]:
        """Run both directions over words in their own order.

        Args:
            words: encoded; for the second direction, from the end of each row. Shape ``(D, T, B, P)``.
            states: of each layer, before the first step.
            lengths: steps after which the state of each row is taken; what comes later is padding. Shape ``(B,)``,
                int64, at least 1. None: all T.
            dropout: applied to what each layer reads.

        Returns:
            The outputs of each layer, first the words themselves, ``(D, T, B, P)`` each, and the states of each layer.
        """
        layers, last_states = [words], []
        for depth, (lstm, state) in enumerate(zip(self.lstms, states, strict=True)):
            inputs = dropout(layers[-1])
            outputs, cells = lstm(inputs, state)
            last_states.append(LstmState(_last(cells, lengths), _last(outputs, lengths)))
            skips = self.architecture.skip_connections and depth > 0
            layers.append(outputs + inputs if skips else outputs)
        return layers, last_states


def _last(steps: Tensor, lengths: Tensor | None) -> Tensor:
    """Return what was there after the last step of each row, out of the graph. Shape ``(D, B, ·)``."""
    steps = steps.detach()
    if lengths is None:
        return steps[:, -1].clone()
    return steps[:, lengths - 1, torch.arange(len(lengths), device=steps.device)]

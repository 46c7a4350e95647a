"""LSTM layers with projection and clipping, of several directions side by side.

Shapes: D directions, T steps, B rows of a batch, I inputs, C cells, P projected outputs.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from embtrain.models.elmo.recurrence import Recurrence

FORGET_BIAS = 1.0
"""Added to the forget gates' bias, as TensorFlow's LSTMCell: a new LSTM forgets little (Jozefowicz et al., 2015)."""


class LstmState(NamedTuple):
    """What a layer carries from step to step: its cells ``(D, B, C)``, float32, and its outputs ``(D, B, P)``."""

    cell: Tensor
    output: Tensor


class LstmLayer(nn.Module):
    """LSTM with recurrent projection (Sak et al., 2014), its cells and outputs held within bounds.

    ::

        i, j, f, o = split(x W + h U + b)
        c = clip(sigmoid(f + 1) c + sigmoid(i) tanh(j))
        h = clip((sigmoid(o) tanh(c)) V)

    Args:
        directions: D. Each has weights of its own; they are computed side by side.
        input_dim: I.
        cell_dim: C.
        projection_dim: P.
        cell_clip: bound of the absolute values of cells; None for no bound.
        projection_clip: likewise of outputs.
    """

    _forget_bias: Tensor

    def __init__(
        self,
        *,
        directions: int,
        input_dim: int,
        cell_dim: int,
        projection_dim: int,
        cell_clip: float | None,
        projection_clip: float | None,
    ) -> None:
        super().__init__()
        self.input_weight = nn.Parameter(torch.empty(directions, input_dim, 4 * cell_dim))
        self.state_weight = nn.Parameter(torch.empty(directions, projection_dim, 4 * cell_dim))
        self.bias = nn.Parameter(torch.zeros(directions, 4 * cell_dim))
        self.projection = nn.Parameter(torch.empty(directions, cell_dim, projection_dim))
        self._clips = (cell_clip or float("inf"), projection_clip or float("inf"))
        # Glorot's uniform bounds, as TensorFlow's LSTMCell: there W and U are one matrix.
        for weight in (self.input_weight, self.state_weight):
            _uniform(weight, fans=input_dim + projection_dim + 4 * cell_dim)
        _uniform(self.projection, fans=cell_dim + projection_dim)
        forget_bias = torch.zeros(4 * cell_dim)
        forget_bias[2 * cell_dim : 3 * cell_dim] = FORGET_BIAS
        self.register_buffer("_forget_bias", forget_bias, persistent=False)

    def initial_state(self, rows: int) -> LstmState:
        """Return a state of zeros."""
        directions, cell_dim, projection_dim = self.projection.shape
        zeros = self.projection.new_zeros
        return LstmState(zeros(directions, rows, cell_dim), zeros(directions, rows, projection_dim))

    def forward(self, inputs: Tensor, state: LstmState) -> tuple[Tensor, Tensor]:
        """Run over all steps, in the type of the inputs, or of autocast.

        Args:
            inputs: shape ``(D, T, B, I)``.
            state: before the first step. No gradient flows into it: backpropagation is truncated here.

        Returns:
            Outputs ``(D, T, B, P)`` and cells ``(D, T, B, C)`` after each step. No gradient flows through the cells.
        """
        kind = inputs.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else inputs.dtype
        weights = (self.input_weight, self.bias + self._forget_bias, self.state_weight, self.projection)
        outputs, cells = Recurrence.apply(  # type: ignore[no-untyped-call]
            inputs.to(dtype), *(weight.to(dtype) for weight in weights), state.cell, state.output.to(dtype), self._clips
        )
        return outputs, cells


def _uniform(weight: nn.Parameter, *, fans: int) -> None:
    """Fill a weight with numbers whose spread keeps that of what goes through it (Glorot and Bengio, 2010, eq. 16)."""
    bound = (6 / fans) ** 0.5
    nn.init.uniform_(weight, -bound, bound)

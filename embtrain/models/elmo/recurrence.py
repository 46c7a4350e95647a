"""The steps of an LSTM with projection, forward and backward, by hand.

Plain torch operations would leave autograd with a dozen nodes a step, and a sum of weight-sized gradients over all
steps. Here a step is two matrix products and a few operations in place, and each weight's gradient is one product over
all steps.

Shapes: D directions side by side, T steps, B rows of a batch, I inputs, C cells, P projected outputs. Gates are in
TensorFlow's order, and so in that of the published weights: input, candidate, forget, output.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Clips = tuple[float, float]
"""Bounds of the absolute values of cells and of projected outputs; infinite for none."""

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input
_clip_backward = torch.ops.aten.hardtanh_backward


class Recurrence(torch.autograd.Function):
    """All steps of a layer; see :class:`embtrain.models.elmo.lstm.LstmLayer` for the equations.

    Cells are float32 where the rest is bfloat16. No gradient flows into the first state, nor through the cells that
    are returned: backpropagation is truncated where a batch begins and ends.
    """

    @staticmethod
    def forward(  # noqa: PLR0917 - autograd hands them over by position
        ctx: Any,
        inputs: Tensor,
        input_weight: Tensor,
        bias: Tensor,
        state_weight: Tensor,
        projection: Tensor,
        cell: Tensor,
        output: Tensor,
        clips: Clips,
    ) -> tuple[Tensor, Tensor]:
        """Return the outputs ``(D, T, B, P)`` and the cells ``(D, T, B, C)`` after each step."""
        directions, steps, rows, _ = inputs.shape
        flat = inputs.reshape(directions, steps * rows, -1)
        gates = torch.baddbmm(bias[:, None], flat, input_weight).view(directions, steps, rows, -1)
        cells = cell.new_empty(directions, steps + 1, *cell.shape[1:])
        outputs = output.new_empty(directions, steps + 1, *output.shape[1:])
        hidden = gates.new_empty(directions, steps, *cell.shape[1:])
        cells[:, 0], outputs[:, 0] = cell, output
        for step in range(steps):
            gates[:, step].baddbmm_(outputs[:, step], state_weight)
            _through_gates(gates[:, step], cells[:, step], cells[:, step + 1], hidden[:, step], clips[0])
            outputs[:, step + 1] = torch.bmm(hidden[:, step], projection).clamp_(-clips[1], clips[1])
        ctx.clips = clips
        ctx.save_for_backward(flat, input_weight, state_weight, projection, gates, cells, hidden, outputs)
        ctx.mark_non_differentiable(cells)
        return outputs[:, 1:], cells[:, 1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_outputs: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of the inputs and of the four weights."""
        flat, input_weight, state_weight, projection, gates, cells, hidden, outputs = ctx.saved_tensors
        cell_clip, projection_clip = ctx.clips
        d_gates, d_projected = torch.empty_like(gates), torch.empty_like(d_outputs)
        d_cell, d_output = torch.zeros_like(cells[:, 0]), torch.zeros_like(outputs[:, 0])
        for step in reversed(range(d_outputs.shape[1])):
            d_output += d_outputs[:, step]
            d_projected[:, step] = _clip_backward(d_output, outputs[:, step + 1], -projection_clip, projection_clip)
            d_hidden = torch.bmm(d_projected[:, step], projection.mT)
            before_and_after = cells[:, step], cells[:, step + 1]
            d_cell = _back_through_gates(
                d_hidden, d_cell, gates[:, step], d_gates[:, step], cells=before_and_after, clip=cell_clip
            )
            d_output = torch.bmm(d_gates[:, step], state_weight.mT)
        d_gates, hidden = d_gates.flatten(1, 2), hidden.flatten(1, 2)
        d_inputs = torch.bmm(d_gates, input_weight.mT).view(*d_outputs.shape[:3], -1)
        return (
            d_inputs,
            torch.bmm(flat.mT, d_gates),
            d_gates.sum(dim=1),
            torch.bmm(outputs[:, :-1].flatten(1, 2).mT, d_gates),
            torch.bmm(hidden.mT, d_projected.flatten(1, 2)),
            None,
            None,
            None,
        )


def _through_gates(gates: Tensor, before: Tensor, after: Tensor, hidden: Tensor, clip: float) -> None:
    """Activate the gates in place, and write the cells after the step and what is to be projected."""
    input_gate, candidate, forget_gate, output_gate = gates.chunk(4, dim=-1)
    input_gate.sigmoid_()
    candidate.tanh_()
    gates[..., 2 * before.shape[-1] :].sigmoid_()
    torch.mul(before, forget_gate, out=after)
    after.addcmul_(input_gate, candidate).clamp_(-clip, clip)
    torch.mul(after.tanh(), output_gate, out=hidden)


def _back_through_gates(
    d_hidden: Tensor, d_cell: Tensor, gates: Tensor, d_gates: Tensor, *, cells: tuple[Tensor, Tensor], clip: float
) -> Tensor:
    """Write the gradients of the gates before their activation; return that of the cells before the step."""
    input_gate, candidate, forget_gate, output_gate = gates.chunk(4, dim=-1)
    d_input_gate, d_candidate, d_forget_gate, d_output_gate = d_gates.chunk(4, dim=-1)
    before, after = cells
    tanh_cell = after.tanh()
    d_cell += torch.ops.aten.tanh_backward(d_hidden * output_gate, tanh_cell)
    d_cell = _clip_backward(d_cell, after, -clip, clip)
    _sigmoid_backward(d_cell * candidate, input_gate, grad_input=d_input_gate)
    _tanh_backward(d_cell * input_gate, candidate, grad_input=d_candidate)
    _sigmoid_backward(d_cell * before, forget_gate, grad_input=d_forget_gate)
    _sigmoid_backward(d_hidden * tanh_cell, output_gate, grad_input=d_output_gate)
    return d_cell.mul_(forget_gate)

"""Columns of vectors on a GPU: the two halves of a step as torch computes them.

The equations are those of :mod:`embtrain.kernels.column_products`, where rows move one product after the other. Here
all steps of a batch are taken from the rows as the batch found them, so that they can be taken at the same time.
Skip-gram and CBOW are one: a product is of a partner and of a head, the mean of a window's context rows, or with
skip-gram one row, of a center or of a negative.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import softplus

from embtrain.columns import Columns
from embtrain.config import CbowSettings, SampledModel
from embtrain.kernels.column_layout import Products
from embtrain.models.columns import LaidOut, has_means, most_rate
from embtrain.models.gpu.column_rows import BoundedRows, ComposedRows


class DeviceBatch(NamedTuple):
    """Products that are scored together: P of them, in G groups of a head each, which are made of M rows."""

    head_of: torch.Tensor
    """The number of each product's head, from 0. Shape ``(P,)``."""
    partners: torch.Tensor
    """The id of each product's other row. Shape ``(P,)``."""
    labels: torch.Tensor
    """1, or -m for noise that serves m windows. Shape ``(P,)``, float32."""
    members: torch.Tensor
    """The ids whose rows heads are made of. Shape ``(M,)``."""
    member_of: torch.Tensor
    """The number of the head that each is in. Shape ``(M,)``."""
    share: torch.Tensor
    """1 / the number of rows that each head is the mean of. Shape ``(G,)``, float32."""


class DeviceColumns:
    """The columns of one process on a device; see :class:`embtrain.models.columns.Compute`.

    On a GPU sums may differ in the last digits from run to run: they are added up in no order.

    Args:
        settings: skip-gram, CBOW or FastText.
        input_rows: at the start, of words and, for FastText, n-grams; copied. Shape ``(R, S)``, S at least the number
            of columns.
        columns: those of this process.
        vocab_size: V, the number of output rows.
        device: of the rows.
    """

    def __init__(
        self,
        settings: SampledModel,
        input_rows: npt.NDArray[np.float32],
        columns: Columns,
        *,
        vocab_size: int,
        device: str,
    ) -> None:
        self._group, self._device, self._most_rate = columns.group, torch.device(device), most_rate(settings)
        self._input = BoundedRows(torch.tensor(input_rows[:, : len(columns)], device=self._device))
        self._output = BoundedRows(torch.zeros(vocab_size, len(columns), device=self._device))
        self._has_means = has_means(settings)
        self._divides = isinstance(settings, CbowSettings) and settings.gradient == "corrected"

    @torch.no_grad()
    def run(self, span: LaidOut, rate: float) -> float:
        """Go through a span batch by batch; see :class:`embtrain.models.columns.Compute`."""
        loss = torch.zeros((), dtype=torch.float64, device=self._device)
        for batch, inputs in zip(self._batches(span.products, span.num_batches), self._inputs(span), strict=True):
            loss += self._step(batch, inputs, rate)
        return float(loss)

    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the columns of both matrices, copies of them."""
        return {name: rows.to("cpu", copy=True).numpy() for name, rows in self._rows.items()}

    def load_state(self, state: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Copy them in."""
        for name, rows in self._rows.items():
            rows.copy_(torch.from_numpy(state[name]))

    @property
    def _rows(self) -> dict[str, torch.Tensor]:
        return {"input": self._input.rows, "output": self._output.rows}

    def _inputs(self, span: LaidOut) -> Iterator[BoundedRows | ComposedRows]:
        """Yield, for each batch, what its products name as inputs."""
        return (self._input for _ in range(span.num_batches))

    def _batches(self, products: Products, num_batches: int) -> Iterator[DeviceBatch]:
        """Copy a span to the device, and yield its batches."""
        groups = products.batches[: num_batches + 1].tolist()
        ends = products.offsets[: groups[-1] + 1]
        if self._has_means:
            member_ends, ids, shares = products.context_offsets, products.contexts, products.shares
        else:
            member_ends, ids = np.arange(groups[-1] + 1), products.common
            shares = np.ones(groups[-1], np.float32)
        member_ends = member_ends[: groups[-1] + 1]
        heads = np.arange(groups[-1])
        head_of, member_of = (self._put(np.repeat(heads, np.diff(of_group))) for of_group in (ends, member_ends))
        partners, labels = (self._put(array[: ends[-1]]) for array in (products.partners, products.labels))
        members, share = self._put(ids[: member_ends[-1]]), self._put(shares[: groups[-1]])
        for begin, end in pairwise(groups):
            of_products, of_members = slice(ends[begin], ends[end]), slice(member_ends[begin], member_ends[end])
            yield DeviceBatch(
                head_of[of_products] - begin,
                partners[of_products],
                labels[of_products],
                members[of_members],
                member_of[of_members] - begin,
                share[begin:end],
            )

    def _step(self, batch: DeviceBatch, inputs: BoundedRows | ComposedRows, rate: float) -> torch.Tensor:
        """Score a batch and move its rows; return the loss, float64."""
        heads_of, partners_of = (inputs, self._output) if self._has_means else (self._output, inputs)
        heads = self._summed(heads_of.read(batch.members) * batch.share[batch.member_of, None], batch)
        common, partners = heads[batch.head_of], partners_of.read(batch.partners)
        scores = (common * partners).sum(dim=1)
        self._group.begin_sum(scores)()
        weight, sign = batch.labels.abs(), batch.labels.sign()
        if rate:
            pace = rate / self._most_rate
            gradients = (rate * batch.labels * torch.sigmoid(-sign * scores))[:, None]
            steps = torch.zeros_like(heads).index_add_(0, batch.head_of, gradients * partners)
            weights = weight.new_zeros(len(heads)).index_add_(0, batch.head_of, weight)
            partners_of.add(batch.partners, gradients * common, weight, pace)
            of_members, factor = steps[batch.member_of], batch.share[batch.member_of]
            if self._divides:
                heads_of.add(batch.members, factor[:, None] * of_members, weights[batch.member_of], pace * factor)
            else:
                heads_of.add(batch.members, of_members, weights[batch.member_of], pace)
        return (weight * softplus(-sign * scores)).sum(dtype=torch.float64)

    def _summed(self, rows: torch.Tensor, batch: DeviceBatch) -> torch.Tensor:
        """Add up the rows of each head's members. Shape ``(G, C)``."""
        return rows.new_zeros(len(batch.share), rows.shape[1]).index_add_(0, batch.member_of, rows)

    def _put(self, array: npt.NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(array).to(self._device)

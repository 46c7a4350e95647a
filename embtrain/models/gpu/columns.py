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
from embtrain.config import CbowSettings, SgnsSettings
from embtrain.kernels.column_layout import Products
from embtrain.kernels.column_products import MOST_RATE


class Batch(NamedTuple):
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
        settings: skip-gram or CBOW.
        input_rows: at the start; copied. Shape ``(V, S)``, S at least the number of columns.
        columns: those of this process.
        device: of the rows.
    """

    def __init__(
        self,
        settings: SgnsSettings | CbowSettings,
        input_rows: npt.NDArray[np.float32],
        columns: Columns,
        *,
        device: str,
    ) -> None:
        self._group, self._device = columns.group, torch.device(device)
        self._input = torch.tensor(input_rows[:, : len(columns)], device=self._device)
        self._output = torch.zeros_like(self._input)
        self._has_means = isinstance(settings, CbowSettings)
        self._divides = isinstance(settings, CbowSettings) and settings.gradient == "corrected"
        self._heads, self._partners = (self._input, self._output) if self._has_means else (self._output, self._input)
        self._weights = torch.zeros(2, len(input_rows), device=self._device)

    @torch.no_grad()
    def run(self, products: Products, num_batches: int, rate: float) -> float:
        """Go through a span batch by batch; see :class:`embtrain.models.columns.Compute`."""
        loss = torch.zeros((), dtype=torch.float64, device=self._device)
        for batch in self._batches(products, num_batches):
            loss += self._step(batch, rate)
        return float(loss)

    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the columns of both matrices, copies of them. Shape ``(V, C)``."""
        return {name: rows.to("cpu", copy=True).numpy() for name, rows in self._rows.items()}

    def load_state(self, state: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Copy them in."""
        for name, rows in self._rows.items():
            rows.copy_(torch.from_numpy(state[name]))

    @property
    def _rows(self) -> dict[str, torch.Tensor]:
        return {"input": self._input, "output": self._output}

    def _batches(self, products: Products, num_batches: int) -> Iterator[Batch]:
        """Copy a span to the device, and yield its batches."""
        groups = products.batches[: num_batches + 1].tolist()
        ends = products.offsets[: groups[-1] + 1]
        if self._has_means:
            member_ends, ids = products.context_offsets[: groups[-1] + 1], products.contexts
        else:
            member_ends, ids = np.arange(groups[-1] + 1), products.common
        sizes = np.diff(member_ends)
        heads = np.arange(groups[-1])
        head_of, member_of = (self._put(np.repeat(heads, counts)) for counts in (np.diff(ends), sizes))
        partners, labels = (self._put(array[: ends[-1]]) for array in (products.partners, products.labels))
        members, share = self._put(ids[: member_ends[-1]]), self._put((1 / sizes).astype(np.float32))
        for begin, end in pairwise(groups):
            of_products, of_members = slice(ends[begin], ends[end]), slice(member_ends[begin], member_ends[end])
            yield Batch(
                head_of[of_products] - begin,
                partners[of_products],
                labels[of_products],
                members[of_members],
                member_of[of_members] - begin,
                share[begin:end],
            )

    def _step(self, batch: Batch, rate: float) -> torch.Tensor:
        """Score a batch and move its rows; return the loss, float64."""
        heads = self._summed(self._heads[batch.members] * batch.share[batch.member_of, None], batch)
        common, partners = heads[batch.head_of], self._partners[batch.partners]
        scores = (common * partners).sum(dim=1)
        self._group.begin_sum(scores)()
        weight, sign = batch.labels.abs(), batch.labels.sign()
        if rate:
            gradients = (rate * batch.labels * torch.sigmoid(-sign * scores))[:, None]
            of_heads = torch.zeros_like(heads).index_add_(0, batch.head_of, gradients * partners)
            for_members, for_partners = self._shares(batch, weight, rate)
            self._partners.index_add_(0, batch.partners, for_partners[:, None] * gradients * common)
            self._heads.index_add_(0, batch.members, for_members[:, None] * of_heads[batch.member_of])
        return (weight * softplus(-sign * scores)).sum(dtype=torch.float64)

    def _summed(self, rows: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Add up the rows of each head's members. Shape ``(G, C)``."""
        return rows.new_zeros(len(batch.share), rows.shape[1]).index_add_(0, batch.member_of, rows)

    def _shares(self, batch: Batch, weight: torch.Tensor, rate: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Return which part of their steps the rows of members and of partners take: no row more than it bears."""
        of_heads = weight.new_zeros(len(batch.share)).index_add_(0, batch.head_of, weight)
        factor = batch.share[batch.member_of] if self._divides else torch.ones_like(batch.members, dtype=torch.float32)
        members, partners = self._weights
        members.index_add_(0, batch.members, of_heads[batch.member_of])
        partners.index_add_(0, batch.partners, weight)
        most = float(MOST_RATE)
        for_members = factor * most / (rate * factor * members[batch.members]).clamp(min=most)
        for_partners = most / (rate * partners[batch.partners]).clamp(min=most)
        members.index_fill_(0, batch.members.long(), 0)
        partners.index_fill_(0, batch.partners.long(), 0)
        return for_members, for_partners

    def _put(self, array: npt.NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(array).to(self._device)

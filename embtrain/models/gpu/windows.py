"""The tokens of a block that subsampling keeps, drawn on the device."""

from __future__ import annotations

from typing import NamedTuple

import torch

from embtrain.kernels.gpu.sampling import mark_kept
from embtrain.models.gpu.blocks import DeviceBlock

MARKED_AT_A_TIME = 1024
"""Tokens that one program of the kernel decides on."""


class KeptTokens(NamedTuple):
    """What windows are laid over: the tokens of a block that are kept, end to end."""

    ids: torch.Tensor
    """Shape ``(T,)``, int32: the ids of those kept come first, and what comes after them means nothing."""
    sequences: torch.Tensor
    """The number of the sequence that each is of, likewise: no window crosses from one to the next."""
    before: torch.Tensor
    """How many are kept of the first t tokens, for t of 0..T. Shape ``(T + 1,)``, int64."""


def subsample(block: DeviceBlock, keep_threshold: torch.Tensor, seed: int) -> KeptTokens:
    """Draw which tokens of a block are kept, without waiting for the device.

    Args:
        block: of T tokens, one or more.
        keep_threshold: an occurrence is kept if 32 random bits are at most this. Shape ``(V,)``, int64.
        seed: of the block.
    """
    count, device = block.ids.numel(), block.ids.device
    kept = torch.empty(count, dtype=torch.int32, device=device)
    grid = (-(-count // MARKED_AT_A_TIME),)
    mark_kept[grid](block.ids, keep_threshold, seed, count, kept, BLOCK=MARKED_AT_A_TIME)
    before = torch.zeros(count + 1, dtype=torch.int64, device=device)
    torch.cumsum(kept, 0, out=before[1:])
    # Their number is known to the device alone. So all are moved, those that are not kept to one place behind the end.
    places = torch.where(kept.bool(), before[:-1], count)
    numbers = torch.arange(block.offsets.numel() - 1, dtype=torch.int32, device=device)
    sequences = torch.repeat_interleave(numbers, block.offsets.diff(), output_size=count)
    ids, of_sequences = (
        torch.empty(count + 1, dtype=torch.int32, device=device).scatter_(0, places, values)
        for values in (block.ids, sequences)
    )
    return KeptTokens(ids, of_sequences, before)

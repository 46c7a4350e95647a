"""Blocks of text on the device, where they stay for later epochs while there is room."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Generic, Protocol, TypeVar

import torch

from embtrain.data.sequences import Block
from embtrain.data.source import Piece, Round, Source

SHARE_FOR_BLOCKS = 0.75
"""Of the memory that is free once the model is there, blocks may take so much: drawing from one needs some, too."""


@dataclass(frozen=True)
class DeviceBlock:
    """The :class:`embtrain.data.sequences.Block` of the device: sequence i is ``ids[offsets[i]:offsets[i + 1]]``."""

    ids: torch.Tensor
    """Shape ``(T,)``, int32."""
    offsets: torch.Tensor
    """Shape ``(N + 1,)``, int64."""

    @classmethod
    def of(cls, block: Block, device: torch.device) -> DeviceBlock:
        """Copy a block to a device."""
        # Blocks are read-only, which torch warns of: it has no such tensors.
        return cls(*(torch.tensor(array, device=device) for array in (block.ids, block.offsets)))

    @property
    def nbytes(self) -> int:
        """Return the bytes that it takes on the device."""
        return self.ids.nbytes + self.offsets.nbytes

    def cut(self, parts: int) -> list[DeviceBlock]:
        """Cut it between sequences into parts of about the same size; the ids are not copied."""
        num_tokens, num_sequences = self.ids.numel(), self.offsets.numel() - 1
        ends = torch.tensor([num_tokens * part // parts for part in range(1, parts)], device=self.offsets.device)
        edges = [0, *torch.searchsorted(self.offsets, ends).tolist(), num_sequences]
        tokens = self.offsets[edges].tolist()
        return [
            DeviceBlock(self.ids[begin:end], self.offsets[first : last + 1] - begin)
            for (first, last), (begin, end) in zip(pairwise(edges), pairwise(tokens), strict=True)
        ]


class OnDevice(Protocol):
    """What a source's block is on the device."""

    @property
    def nbytes(self) -> int:
        """Return the bytes that it takes there."""


BlockT = TypeVar("BlockT")
DeviceBlockT = TypeVar("DeviceBlockT", bound=OnDevice)


class ResidentBlocks(Generic[BlockT, DeviceBlockT]):
    """A :class:`embtrain.data.source.Source` of blocks on the device, each read and copied there once.

    Blocks for which there is no room are read and copied anew in each epoch.

    Args:
        source: where blocks come from. Its pieces must be hashable.
        upload: copies one to the device.
        budget: bytes that blocks may take there.
    """

    def __init__(self, source: Source[BlockT], upload: Callable[[BlockT], DeviceBlockT], budget: int) -> None:
        self._source, self._upload = source, upload
        self._left = budget
        self._resident: dict[Hashable, DeviceBlockT] = {}
        self.unit = source.unit

    @property
    def size(self) -> int:
        """Return the number of tokens or cells of an epoch."""
        return self._source.size

    def check(self, world_size: int) -> None:
        """Refuse what so many processes could not train on; see :class:`embtrain.data.source.Source`."""
        self._source.check(world_size)

    def order(self, *, epoch: int, seed: int) -> Sequence[Piece]:
        """Return the pieces as this epoch takes them; see :class:`embtrain.data.source.Source`."""
        return self._source.order(epoch=epoch, seed=seed)

    def rounds(self, pieces: Sequence[Any], world_size: int) -> Sequence[Round[Any]]:
        """Deal out the pieces to the processes; see :class:`embtrain.data.source.Source`."""
        return self._source.rounds(pieces, world_size)

    def blocks(self, pieces: Sequence[Any]) -> Iterator[DeviceBlockT]:
        """Yield blocks of the device; those that are not there yet are read, one ahead."""
        absent = self._source.blocks([piece for piece in pieces if piece not in self._resident])
        for piece in pieces:
            yield self._resident.get(piece) or self._keep(piece, self._upload(next(absent)))

    def _keep(self, piece: Hashable, block: DeviceBlockT) -> DeviceBlockT:
        """Remember a block if there is room."""
        if block.nbytes <= self._left:
            self._left -= block.nbytes
            self._resident[piece] = block
        return block


class ResidentText(ResidentBlocks[Block, DeviceBlock]):
    """Blocks of text on the device: those that can be cut; see :class:`embtrain.data.source.Divisible`."""

    @staticmethod
    def cut(block: DeviceBlock, parts: int) -> list[DeviceBlock]:
        """Cut a block between sequences."""
        return block.cut(parts)


def room_for_blocks(device: torch.device) -> int:
    """Return the bytes that blocks may take on a device; on a CPU, none: the source reads as fast."""
    if device.type != "cuda":
        return 0
    free, _ = torch.cuda.mem_get_info(device)
    return int(free * SHARE_FOR_BLOCKS)

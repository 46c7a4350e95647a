"""Cells of co-occurrence on a device: sorted by words there, and kept for later epochs while there is room."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from embtrain.data.tiles import PLACE_BITS, CellBlock

CELL_BYTES = 8


class ResidentCells:
    """The cells of a table's file on a device. A segment is brought there, and sorted, when it is first asked for.

    Where there is no room for a further one, all make place: a table that is larger than the device's memory is brought
    there again in each epoch.

    Args:
        device: where they are wanted.
        room: bytes that they may take, if not a single block takes more.

    Attributes:
        places: as of :class:`embtrain.data.tiles.CellBlock`, as int32.
        log_counts: likewise, float32.
    """

    def __init__(self, device: torch.device, room: int) -> None:
        self._device, self._room = device, room
        self._file: npt.NDArray[np.uint32] | None = None
        self._clear(0)

    def bring(self, block: CellBlock) -> npt.NDArray[np.int64]:
        """Bring to the device what is not yet there of a block.

        Returns:
            The block's segments, with their first and last cells in :attr:`places` and :attr:`log_counts`; in each,
            cells are sorted by their words. Shape ``(N, 4)``.
        """
        segments = block.piece.segments
        if self._file is not block.places:  # of another table
            self._file = block.places
            self._clear(0)
        first = self._find(segments)
        absent = segments[first < 0]
        if self._used + num_cells(absent) > self.places.numel():
            size = max(num_cells(segments), min(block.places.size, self._room // CELL_BYTES))
            self._clear(size)
            absent = segments
        if absent.size:
            self._upload(block, absent)
            first = self._find(segments)
        last = first + segments[:, 1] - segments[:, 0]
        return np.column_stack([first, last, segments[:, 2:]])

    def _find(self, segments: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return where the first cells of segments are on the device, -1 for those that are not. Shape ``(N,)``."""
        if not self._firsts.size:
            return np.full(len(segments), -1)
        nearest = np.searchsorted(self._firsts[:-1], segments[:, 0])
        return np.where(self._firsts[nearest] == segments[:, 0], self._positions[nearest], -1)

    def _clear(self, size: int) -> None:
        """Forget all cells, and have room for ``size``."""
        # Of the segments that are there, by their first cells in the file: these, and where they are.
        self._firsts = self._positions = np.empty(0, np.int64)
        self._used = 0
        # The old ones first, since there may not be room for both.
        self.places = self.log_counts = torch.empty(0)
        self.places = torch.empty(size, dtype=torch.int32, device=self._device)
        self.log_counts = torch.empty(size, dtype=torch.float32, device=self._device)

    def _upload(self, block: CellBlock, segments: npt.NDArray[np.int64]) -> None:
        """Copy segments to the device, sort the cells of each by words, and remember where they are."""
        spans = [slice(first, last) for first, last in segments[:, :2].tolist()]
        places, log_counts = (
            torch.from_numpy(np.concatenate([cells[span] for span in spans])).to(self._device)
            for cells in (block.places.view(np.int32), block.log_counts)
        )
        lengths = torch.from_numpy(segments[:, 1] - segments[:, 0]).to(self._device)
        key = torch.repeat_interleave(lengths, output_size=places.numel())  # the segment, and then the word
        key <<= PLACE_BITS
        key |= places & ((1 << PLACE_BITS) - 1)
        order = torch.argsort(key)
        end = self._used + places.numel()
        self.places[self._used : end] = places[order]
        self.log_counts[self._used : end] = log_counts[order]
        positions = self._used + np.cumsum(segments[:, 1] - segments[:, 0]) - (segments[:, 1] - segments[:, 0])
        firsts = np.concatenate([self._firsts, segments[:, 0]])
        by_first = np.argsort(firsts)
        self._firsts, self._positions = firsts[by_first], np.concatenate([self._positions, positions])[by_first]
        self._used = end


def num_cells(segments: npt.NDArray[np.int64]) -> int:
    """Return the number of cells of segments."""
    return int((segments[:, 1] - segments[:, 0]).sum())


def cut_into_tiles(segments: npt.NDArray[np.int64], cells: int, device: torch.device, seed: int) -> torch.Tensor:
    """Cut segments into tiles and bring these into random order, on the device.

    Args:
        segments: of the device, from :meth:`ResidentCells.bring`.
        cells: of a tile; the last one of a segment may have fewer.
        device: where they are wanted.
        seed: of the order.

    Returns:
        As :func:`embtrain.kernels.gpu.glove.train_glove_tiles` takes them. Shape ``(T, 4)``, int64.
    """
    of_segment = -(-(segments[:, 1] - segments[:, 0]) // cells)
    total = int(of_segment.sum())
    before = torch.from_numpy(np.cumsum(of_segment) - of_segment).to(device)
    segment = torch.repeat_interleave(torch.from_numpy(of_segment).to(device), output_size=total)
    place = torch.arange(total, device=device) - before[segment]
    tiles = torch.from_numpy(segments).to(device)[segment]
    tiles[:, 0] += place * cells
    tiles[:, 1] = torch.minimum(tiles[:, 0] + cells, tiles[:, 1])
    generator = torch.Generator(device).manual_seed(seed % 2**63)
    return tiles[torch.randperm(total, generator=generator, device=device)]

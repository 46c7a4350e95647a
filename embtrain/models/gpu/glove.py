"""GloVe on a GPU: rows and cells that stay there, and what queues the kernel that trains the ones on the others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch

from embtrain.config import GloveSettings
from embtrain.data.strata import Strata
from embtrain.data.tiles import CellBlock
from embtrain.data.vocabulary import Vocabulary
from embtrain.distributed import Group
from embtrain.errors import ConfigError
from embtrain.kernels.gpu.glove import train_glove_tiles
from embtrain.kernels.padding import padded
from embtrain.models.glove_rows import divergence, exchange_strata, starting_rows, vectors_of
from embtrain.models.gpu.blocks import room_for_blocks
from embtrain.models.gpu.cells import ResidentCells, cut_into_tiles
from embtrain.models.gpu.flight import CELLS, programs_in_flight
from embtrain.models.protocol import Merger, Tally, alone

SPAN_TILES = 1 << 15
"""Tiles of one call of the kernel: a million cells, so that the learning rate follows, and Ctrl-C is heard."""

WORDS_PER_TILE = 2
"""Of the vocabulary, at least, for each tile in flight; with more in flight nothing is measured."""

PROGRAMS_PER_MULTIPROCESSOR = 4
"""That fit, by the registers that the kernel is held to."""

REGISTERS = 128
"""Of a thread at most. The kernel would take more, and hide less of the time that rows take to come."""

NUMBERS_AT_A_TIME = 32
"""Of a row: 128 bytes, a line of the cache."""


def constants_of(dim: int) -> dict[str, int]:
    """Return the sizes that the kernel is compiled for; see :func:`embtrain.kernels.gpu.glove.train_glove_tiles`."""
    return {
        "WIDTH": -(-(dim + 2) // 4) * 4,  # additions of four numbers at a time are one instruction
        "STRIDE": padded(dim + 2),
        "CELLS": CELLS,
        "CHUNK": NUMBERS_AT_A_TIME,
    }


def compiled_for(dim: int) -> dict[str, int]:
    """Return the compiler's options.

    Where a row has several parts its loads run ahead from part to part. Where it has one they would run ahead from tile
    to tile, and find rows as they were before the last tiles: that is left out.
    """
    sizes = constants_of(dim)
    return {"maxnreg": REGISTERS} | ({"num_stages": 1} if sizes["WIDTH"] <= sizes["CHUNK"] else {})


class DeviceGlove:
    """The rows of :class:`embtrain.models.glove.Glove`, from the same start, on a device.

    Args:
        settings: of the model.
        vocabulary: its tokens name a cell that cannot be trained on.
        strata: where the rows of its tokens lie.
        seed: of the starting vectors.
        device: ``cuda``; or ``cpu``, where Triton's interpreter runs the kernel.
    """

    def __init__(
        self, settings: GloveSettings, vocabulary: Vocabulary, strata: Strata, *, seed: int, device: str
    ) -> None:
        self._settings, self._strata, self._tokens = settings, strata, vocabulary.tokens
        self._device = torch.device(device)
        rows = starting_rows(len(vocabulary), settings.dim, seed)
        self.word_rows, self.context_rows = (torch.from_numpy(array).to(self._device) for array in rows)
        self._cells = ResidentCells(self._device, room_for_blocks(self._device))
        self._num_programs = programs_in_flight(
            len(vocabulary),
            self._device,
            words_per_program=WORDS_PER_TILE,
            per_multiprocessor=PROGRAMS_PER_MULTIPROCESSOR,
        )
        self._shift = 0

    def train(self, block: CellBlock, learning_rate: Callable[[int], float], seed: int) -> Iterator[Tally]:
        """Train on a block; see :class:`embtrain.models.protocol.Model`.

        Calls are queued without waiting for the device, up to the end of the block: the cost comes with the last
        tally, of no cells.

        Raises:
            ConfigError: at the end of the block, if a cell of it would have made a NaN.
        """
        self._shift = block.piece.shift
        yield from self._run(block, learning_rate, seed, trains=True)

    def loss(self, block: CellBlock, seed: int) -> Tally:
        """Measure the cost of a block's cells with the rows as they are."""
        return sum(self._run(block, lambda _: 0.0, seed, trains=False), Tally())

    def merger(self, group: Group, words: float) -> Merger:  # noqa: ARG002 - after each round
        """Return what gives every process the rows that another one has trained: no two have trained the same."""
        if group.world_size == 1:
            return alone

        def exchange(items: Sequence[float], *, settle: bool) -> None:  # noqa: ARG001 - all of it
            if not settle:  # since the last round all have had the same
                exchange_strata(self.word_rows, self.context_rows, self._strata, self._shift, group)

        return exchange

    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return both sets of rows, as those of :meth:`embtrain.models.glove.Glove.state`; on a GPU, copies."""
        return {"words": self.word_rows.cpu().numpy(), "contexts": self.context_rows.cpu().numpy()}

    def load_state(self, state: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Copy both sets of rows in."""
        self.word_rows.copy_(torch.from_numpy(state["words"]))
        self.context_rows.copy_(torch.from_numpy(state["contexts"]))

    def vectors(self) -> npt.NDArray[np.float32]:
        """Return the vectors that the settings ask for. Shape ``(V, dim)``, or ``(V, 2 dim)`` for both."""
        state = self.state()
        return vectors_of(state["words"], state["contexts"], self._strata, self._settings)

    def _run(
        self, block: CellBlock, learning_rate: Callable[[int], float], seed: int, *, trains: bool
    ) -> Iterator[Tally]:
        tiles = cut_into_tiles(self._cells.bring(block), CELLS, self._device, seed)
        num_tiles, num_cells = len(tiles), block.piece.size
        costs = torch.zeros(self._num_programs, dtype=torch.float64, device=self._device)
        bad_cell = torch.full((1,), -1, dtype=torch.int64, device=self._device)
        for first in range(0, num_tiles, SPAN_TILES):
            last = min(num_tiles, first + SPAN_TILES)
            # A few tiles have fewer cells than others; which ones, the device alone knows.
            done, next_done = (num_cells * tile // num_tiles for tile in (first, last))
            rate = learning_rate(done) if trains else 0.0
            self._train_span(tiles, (first, last), rate, (costs, bad_cell), trains=trains)
            yield Tally(items=next_done - done)
        if int(bad_cell) >= 0:
            raise self._divergence(tiles, int(bad_cell))
        yield Tally(pairs=num_cells, loss=float(costs.sum()))

    def _train_span(
        self,
        tiles: torch.Tensor,
        span: tuple[int, int],
        rate: float,
        results: tuple[torch.Tensor, torch.Tensor],
        *,
        trains: bool,
    ) -> None:
        settings = self._settings
        train_glove_tiles[(self._num_programs,)](
            self.word_rows,
            self.context_rows,
            self._cells.places,
            self._cells.log_counts,
            tiles,
            *span,
            math.log(settings.x_max),
            settings.exponent,
            rate,
            *results,
            **constants_of(settings.dim),
            **compiled_for(settings.dim),
            TRAINS=trains,
        )

    def _divergence(self, tiles: torch.Tensor, cell: int) -> ConfigError:
        """Return the error that says which cell has no finite error of its own."""
        ((_, _, first_word, first_context),) = tiles[(tiles[:, 0] <= cell) & (cell < tiles[:, 1])].tolist()
        place = int(self._cells.places[cell])
        rows = (first_word + (place & 0xFFFF), first_context + (place >> 16 & 0xFFFF))
        word, context = (self._tokens[self._strata.ids[row]] for row in rows)
        return divergence(word, context, float(self._cells.log_counts[cell]), self._settings)

"""Rows on a device that kernels train in place, tile by tile: what skip-gram, CBOW and FastText do alike there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from embtrain.config import CbowSettings, FastTextSettings, SgnsSettings
from embtrain.data.sequences import Block
from embtrain.data.vocabulary import Vocabulary
from embtrain.distributed import Group
from embtrain.models.gpu.blocks import DeviceBlock
from embtrain.models.gpu.flight import CENTERS, NEGATIVES, programs_in_flight, row_loads, warps_of_program
from embtrain.models.gpu.windows import subsample
from embtrain.models.hogwild import keep_threshold, occurrence
from embtrain.models.objectives import alias_table
from embtrain.models.protocol import Merger, Tally, alone

SPAN_TOKENS = 1 << 18
"""Tokens of one call of a kernel: a few milliseconds, so that the learning rate follows, and Ctrl-C is heard."""

MOST_NUMBERS_AT_ONCE = 32 * (128 + CENTERS + NEGATIVES)
"""Of a tile's context rows and their scores in registers, where that is all of them: at dimension 100 and window 5 rows
are loaded once for scores and gradients."""

NUMBERS_AT_A_TIME = 1 << 11
"""Of the context rows, where they must be loaded twice."""

COMPILED_FOR = {"num_stages": 1}
"""No loads ahead of their chunk: those of a whole one are under way together as it is."""


class Launch(Protocol):
    """Starts a kernel of the shape of :func:`embtrain.kernels.gpu.skipgram.train_skipgram_tiles`."""

    def __call__(self, grid: tuple[int], *arguments: Any, **constants: Any) -> None:
        """Start it, with the kernel's arguments and constants."""


class Tiled:
    """Input and output rows of a model that is trained by negative sampling.

    Rows, probabilities, and what checkpoints hold are those of :class:`embtrain.models.hogwild.Hogwild`; what is
    drawn is drawn by other random numbers.

    Args:
        settings: of the model.
        input_rows: at the start. Shape ``(R, S)``, S the dimension rounded up to 16.
        row_occurrence: how often a token of the corpus is kept, and each input row changes. Shape ``(R,)``.
        vocabulary: decides on subsampling and negatives.
        device: ``cuda``; or ``cpu``, where Triton's interpreter runs the kernels.
        launch: starts the kernel.
    """

    def __init__(
        self,
        settings: SgnsSettings | CbowSettings | FastTextSettings,
        input_rows: npt.NDArray[np.float32],
        row_occurrence: npt.NDArray[np.float64],
        vocabulary: Vocabulary,
        *,
        device: str,
        launch: Launch,
    ) -> None:
        self.device = torch.device(device)
        self._settings, self._launch = settings, launch
        self._alias = self._put(alias_table(vocabulary).view(np.int64))
        self._keep_threshold = self._put(keep_threshold(vocabulary).astype(np.int64))
        self.input_rows = self._put(input_rows)
        self.output_rows = torch.zeros(len(vocabulary), input_rows.shape[1], device=self.device)
        of_words = occurrence(vocabulary)
        self._occurrence = {"input": row_occurrence, "output": of_words}
        self._num_programs = programs_in_flight(len(vocabulary), self.device)
        loads = row_loads(
            vocabulary,
            window=settings.window,
            word_occurrence=of_words,
            row_occurrence=row_occurrence,
            num_programs=self._num_programs,
        )
        self._loads = [self._put(load) for load in loads]
        contexts = power_of_two_from(CENTERS + 2 * settings.window)
        self._constants = {
            "WINDOW": settings.window,
            "DYNAMIC": settings.dynamic_window,
            "STRIDE": input_rows.shape[1],
            "CENTERS": CENTERS,
            "CONTEXTS": contexts,
            "NEGATIVES": NEGATIVES,
            "CHUNK": numbers_at_a_time(input_rows.shape[1], contexts),
            "num_warps": warps_of_program(self._num_programs, self.device),
            **COMPILED_FOR,
        }

    def upload(self, block: Block) -> DeviceBlock:
        """Copy a block to the device; see :class:`embtrain.models.protocol.DeviceModel`."""
        return DeviceBlock.of(block, self.device)

    def train(self, block: DeviceBlock, learning_rate: Callable[[int], float], seed: int) -> Iterator[Tally]:
        """Train on a block; see :class:`embtrain.models.protocol.Model`.

        Calls are queued without waiting for the device, up to the end of the block: pairs and loss come with the last
        tally, of no items.
        """
        yield from self._run(block, learning_rate, seed, trains=True)

    def loss(self, block: Block, seed: int) -> Tally:
        """Measure the loss on a block, with windows, subsampling and negatives drawn as in training."""
        return sum(self._run(self.upload(block), lambda _: 0.0, seed, trains=False), Tally())

    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return both matrices, shape ``(N, S)`` with S the dimension rounded up to 16; on a GPU, copies."""
        return {"input": self.input_rows.cpu().numpy(), "output": self.output_rows.cpu().numpy()}

    def load_state(self, state: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Copy both matrices in."""
        self.input_rows.copy_(torch.from_numpy(state["input"]))
        self.output_rows.copy_(torch.from_numpy(state["output"]))

    def merger(self, group: Group, words: float) -> Merger:
        """Return what merges the copies of both matrices; see :class:`embtrain.replicas.Replicas`."""
        if group.world_size == 1:
            return alone
        from embtrain.replicas import Replicas  # noqa: PLC0415 - loads numba

        matrices = ((self.input_rows, self._occurrence["input"]), (self.output_rows, self._occurrence["output"]))
        return Replicas(group, matrices, words)

    def _put(self, array: npt.NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(array).to(self.device)

    def _run(
        self, block: DeviceBlock, learning_rate: Callable[[int], float], seed: int, *, trains: bool
    ) -> Iterator[Tally]:
        num_tokens = block.ids.numel()
        if not num_tokens:
            return
        seed %= 2**63  # what Triton takes in any of its modes
        kept = subsample(block, self._keep_threshold, seed)
        pairs, losses = (
            torch.zeros(self._num_programs, dtype=dtype, device=self.device) for dtype in (torch.int64, torch.float64)
        )
        for first in range(0, num_tokens, SPAN_TOKENS):
            last = min(num_tokens, first + SPAN_TOKENS)
            self._launch(
                (self._num_programs,),
                self.input_rows,
                self.output_rows,
                *self._loads,
                *kept,
                first,
                last,
                num_tokens,
                self._alias,
                self._alias.numel(),
                seed,
                learning_rate(first) if trains else 0.0,
                self._settings.num_negatives / NEGATIVES,
                pairs,
                losses,
                **self._constants,
                TRAINS=trains,
            )
            yield Tally(items=last - first)
        # In one read, for which the device is waited for: float64 has all counts below 2**53.
        num_pairs, loss = torch.stack((pairs.sum().double(), losses.sum())).tolist()
        yield Tally(pairs=int(num_pairs), loss=loss)


def power_of_two_from(number: int) -> int:
    """Return the smallest power of two that is at least ``number``."""
    return 1 << (number - 1).bit_length()


def numbers_at_a_time(stride: int, contexts: int) -> int:
    """Return how many numbers of a row a program works on at a time: 16 or more, as its matrix products take them."""
    whole = power_of_two_from(stride)
    at_once = contexts * (whole + CENTERS + NEGATIVES)
    return whole if at_once <= MOST_NUMBERS_AT_ONCE else max(16, NUMBERS_AT_A_TIME // contexts)

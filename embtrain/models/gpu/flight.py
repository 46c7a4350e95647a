"""What is in flight: how large tiles are, how many train at the same time, and which rows that is too much for.

Tiles in flight do not see each other's steps. docs/decisions/0011 has the measurements behind the constants.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from embtrain.data.vocabulary import Vocabulary

CENTERS = 16
NEGATIVES = 32
"""Of a tile. 16 is the least that a product on tensor cores takes."""

CELLS = 32
"""Of a tile of GloVe; docs/decisions/0014 has the measurements."""

PROGRAMS_PER_MULTIPROCESSOR = 2
"""That fit, by the registers that the kernels take when they are compiled for Hopper."""

WARPS, WARPS_OF_ONE_ALONE = 4, 8
"""Of a program: of each of two on a multiprocessor, and of one that has it to itself, where no more are in flight."""

WORDS_PER_CENTER = 64
"""Of the vocabulary, at least, for each center in flight."""

SAFE_CHANGE = 4.0
"""How far the scores of a row may move, at most, by the steps in flight, before those are shortened."""


class RowLoads(NamedTuple):
    """How many tiles in flight change each row, this one included, over ``SAFE_CHANGE``."""

    input: npt.NDArray[np.float32]
    """Shape ``(R,)``."""
    output: npt.NDArray[np.float32]
    """Shape ``(V,)``."""


def programs_in_flight(
    vocab_size: int,
    device: torch.device,
    *,
    words_per_program: int = WORDS_PER_CENTER * CENTERS,
    per_multiprocessor: int = PROGRAMS_PER_MULTIPROCESSOR,
) -> int:
    """Return how many programs train at the same time: as many as the device runs, and the vocabulary bears.

    Args:
        vocab_size: V.
        device: where they train; Triton's interpreter runs one at a time.
        words_per_program: of the vocabulary, at least.
        per_multiprocessor: programs that fit.
    """
    if device.type != "cuda":
        return 1
    return min(max(1, vocab_size // words_per_program), per_multiprocessor * multiprocessors(device))


def warps_of_program(num_programs: int, device: torch.device) -> int:
    """Return the warps of each of so many programs: all that fit on a multiprocessor hide the time that rows take."""
    if device.type != "cuda":
        return WARPS  # of which Triton's interpreter knows nothing
    return WARPS_OF_ONE_ALONE if num_programs <= multiprocessors(device) else WARPS


def multiprocessors(device: torch.device) -> int:
    """Return how many multiprocessors a GPU has."""
    return int(torch.cuda.get_device_properties(device).multi_processor_count)


def row_loads(
    vocabulary: Vocabulary,
    *,
    window: int,
    word_occurrence: npt.NDArray[np.float64],
    row_occurrence: npt.NDArray[np.float64],
    num_programs: int,
) -> RowLoads:
    """Return how many tiles in flight change each row; see :func:`embtrain.kernels.gpu.tiles.shortened`.

    Args:
        vocabulary: its probabilities say how often a word is a negative.
        window: tokens on each side of a center.
        word_occurrence: how often a token of the corpus is a word, and is kept. Shape ``(V,)``.
        row_occurrence: how often a token of the corpus is kept, and each input row changes. Shape ``(R,)``.
        num_programs: with a tile each.
    """
    kept = max(word_occurrence.sum(), np.finfo(np.float64).tiny)
    contexts = (CENTERS + 2 * window) * row_occurrence / kept
    targets = CENTERS * word_occurrence / kept + NEGATIVES * vocabulary.negative_probability
    loads = [((1 + num_programs * each) / SAFE_CHANGE).astype(np.float32) for each in (contexts, targets)]
    return RowLoads(*loads)

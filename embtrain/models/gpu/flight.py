"""What is in flight: how large tiles are, how many train at the same time, and which rows that is too much for.

Tiles in flight do not see each other's steps. docs/decisions/0011 has the measurements behind the constants.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from embtrain.config import CbowSettings, FastTextSettings, SgnsSettings
from embtrain.data.vocabulary import Vocabulary

CENTERS = 16
NEGATIVES = 32
"""Of a tile. 16 is the least that a product on tensor cores takes."""

PROGRAMS_PER_MULTIPROCESSOR = 2
"""That fit, by the registers that the kernels take when they are compiled for Hopper."""

WORDS_PER_CENTER = 1
"""Of the vocabulary, at least, for each center in flight: with fewer, steps of all words would have to be shortened."""

SAFE_LOAD = 2.5
"""Steps of a row in flight, times the learning rate, that may be taken as they are."""


class RowLoads(NamedTuple):
    """By how many times more than is safe each row is in flight, if the learning rate were 1."""

    input: npt.NDArray[np.float32]
    """Shape ``(R,)``."""
    output: npt.NDArray[np.float32]
    """Shape ``(V,)``."""


def programs_in_flight(vocab_size: int, device: torch.device) -> int:
    """Return how many programs train at the same time: as many as the device runs, and the vocabulary bears."""
    if device.type != "cuda":
        return 1
    borne = max(1, vocab_size // (WORDS_PER_CENTER * CENTERS))
    return min(borne, PROGRAMS_PER_MULTIPROCESSOR * torch.cuda.get_device_properties(device).multi_processor_count)


def row_loads(
    settings: SgnsSettings | CbowSettings | FastTextSettings,
    vocabulary: Vocabulary,
    *,
    word_occurrence: npt.NDArray[np.float64],
    row_occurrence: npt.NDArray[np.float64],
    num_programs: int,
) -> RowLoads:
    """Return how much of each row is in flight.

    A step of logistic regression on a pair is a share of at most a quarter of the learning rate, times the square of
    the other row's length, of what would be too far. So what counts is how many such pairs are in flight for a row,
    a negative that is weighed counting as its weight.

    Args:
        settings: of the model.
        vocabulary: its probabilities say how often a word is a negative.
        word_occurrence: how often a token of the corpus is a word, and is kept. Shape ``(V,)``.
        row_occurrence: how often a token of the corpus is kept, and each input row changes. Shape ``(R,)``.
        num_programs: with a tile each.
    """
    kept = max(word_occurrence.sum(), 1e-300)
    centers, targets = num_programs * CENTERS, 1 + settings.num_negatives
    as_target = word_occurrence / kept + settings.num_negatives * vocabulary.negative_probability
    window = settings.window + 1 if settings.dynamic_window else 2 * settings.window
    if not _predicts_from_means(settings):
        of_context, of_center = float(window * targets), window
    else:
        # A context row is 1 / window of the mean, and takes the mean's step whole, or again 1 / window of it.
        divides = isinstance(settings, CbowSettings) and settings.gradient == "corrected"
        of_context, of_center = (targets / window if divides else targets), 1
    return RowLoads(
        input=(row_occurrence / kept * centers * of_context / SAFE_LOAD).astype(np.float32),
        output=(as_target * centers * of_center / SAFE_LOAD).astype(np.float32),
    )


def _predicts_from_means(settings: SgnsSettings | CbowSettings | FastTextSettings) -> bool:
    """Tell whether a prediction is made from a whole window, and not from a word of it."""
    return isinstance(settings, CbowSettings) or getattr(settings, "architecture", "skipgram") == "cbow"

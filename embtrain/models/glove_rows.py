"""What GloVe's rows are, wherever they are trained: how they start, and what comes out of them."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from embtrain.config import GloveSettings
from embtrain.data.strata import Strata
from embtrain.distributed import Group
from embtrain.errors import ConfigError
from embtrain.kernels.glove import FIXED
from embtrain.kernels.padding import padded
from embtrain.kernels.scratch import aligned_rows

if TYPE_CHECKING:
    from torch import Tensor

Rows = npt.NDArray[np.float32]
RowsT = TypeVar("RowsT", Rows, "Tensor")


def starting_rows(size: int, dim: int, seed: int) -> tuple[Rows, Rows]:
    """Return the rows of words and of contexts as :mod:`embtrain.kernels.glove` lays them out.

    Vectors and biases are uniform in (-0.5, 0.5) / dim and the sums of squares 1, as in Stanford's glove.c.

    Returns:
        Shape ``(size, 2 S)`` each, S being dim + 2 rounded up to 16.
    """
    random = np.random.default_rng(seed)
    words, contexts = (_starting_rows(size, dim, bias, random) for bias in (0, 1))
    return words, contexts


def _starting_rows(size: int, dim: int, bias: int, random: np.random.Generator) -> Rows:
    """Return rows with the bias at column ``dim + bias``, and a 1 at the other one."""
    stride = padded(dim + 2)
    rows = aligned_rows(size, 2 * stride)
    one = dim + 1 - bias
    rows[:, stride:] = 1
    rows[:, stride + one] = FIXED
    for row in rows:  # row by row: no second copy of the matrix
        row[: dim + 2] = (random.random(dim + 2, np.float32) - 0.5) / dim
        row[one] = 1
    return rows


def vectors_of(words: Rows, contexts: Rows, strata: Strata, settings: GloveSettings) -> Rows:
    """Return the vectors that the settings ask for, by id. Shape ``(V, dim)``, or ``(V, 2 dim)`` for both."""
    words, contexts = words[:, : settings.dim], contexts[:, : settings.dim]
    match settings.vectors:
        case "sum":
            by_place = words + contexts
        case "word":
            by_place = words
        case "both":
            by_place = np.hstack([words, contexts])
    vectors = np.empty(by_place.shape, np.float32)
    vectors[strata.ids] = by_place
    return vectors


def exchange_strata(words: RowsT, contexts: RowsT, strata: Strata, shift: int, group: Group) -> None:
    """Give every process the rows that another one has trained: no two have trained the same.

    Args:
        words: read and written where they are, on the CPU or a GPU.
        contexts: likewise.
        strata: where both lie.
        shift: the diagonal that was trained.
        group: the processes.
    """
    owners = (strata.row_owners(group.world_size), strata.column_owners(shift, group.world_size))
    for rows, ranks in zip((words, contexts), owners, strict=True):
        for (first, last), rank in zip(pairwise(strata.starts.tolist()), ranks.tolist(), strict=True):
            group.from_rank(rows[first:last], rank)


def divergence(word: str, context: str, log_count: float, settings: GloveSettings) -> ConfigError:
    """Return the error that names a cell whose own error is not finite, and says what to do."""
    return ConfigError(
        f"the cell ({word!r}, {context!r}) of weight {math.exp(log_count):.6g} would make a NaN: "
        f"the training has diverged; lower model.learning_rate, which is {settings.learning_rate:g}"
    )

"""What GloVe's rows are, wherever they are trained: how they start, and what comes out of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
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


def row_width(dim: int) -> int:
    """Return how many numbers a row has before its sums: the vector, its bias, a 1, and padding."""
    return padded(dim + 2)


def starting_rows(size: int, dim: int, seed: int, columns: slice = slice(None)) -> tuple[Rows, Rows]:
    """Return the rows of words and of contexts as :mod:`embtrain.kernels.glove` lays them out, or some columns of them.

    Vectors and biases are uniform in (-0.5, 0.5) / dim and the sums of squares 1, as in Stanford's glove.c.

    Args:
        size: V.
        dim: of the vectors.
        seed: of what is drawn.
        columns: of the :func:`row_width` that a row has numbers and sums for.

    Returns:
        Shape ``(V, 2 S)`` each, S being the number of columns rounded up to 16.
    """
    random = np.random.default_rng(seed)
    words, contexts = (_starting_rows(size, dim, bias, random, columns) for bias in (0, 1))
    return words, contexts


def _starting_rows(size: int, dim: int, bias: int, random: np.random.Generator, columns: slice) -> Rows:
    """Return rows with the bias at column ``dim + bias``, and a 1 at the other one."""
    one = dim + 1 - bias
    numbers, sums = np.zeros(row_width(dim), np.float32), np.ones(row_width(dim), np.float32)
    sums[one] = FIXED
    own = numbers[columns].size
    stride = padded(own)
    rows = aligned_rows(size, 2 * stride)
    rows[:, stride:] = 1
    rows[:, stride : stride + own] = sums[columns]
    for row in rows:  # row by row: no second copy of the matrix, nor columns that are not asked for
        numbers[: dim + 2] = (random.random(dim + 2, np.float32) - 0.5) / dim
        numbers[one] = 1
        row[:own] = numbers[columns]
    return rows


def parts_of_vectors(words: Rows, contexts: Rows, settings: GloveSettings) -> list[Rows]:
    """Return what the vectors that the settings ask for are made of, side by side."""
    match settings.vectors:
        case "sum":
            return [words + contexts]
        case "word":
            return [words]
        case "both":
            return [words, contexts]


def by_id(parts: Sequence[Rows], strata: Strata, dim: int) -> Rows:
    """Return vectors in the order of their ids.

    Args:
        parts: of which each vector has the first ``dim`` numbers, side by side. Shape ``(V, N)``, by place.
        strata: where they lie.
        dim: of a part.
    """
    vectors = np.empty((len(parts[0]), len(parts) * dim), np.float32)
    for number, part in enumerate(parts):
        vectors[strata.ids, number * dim : (number + 1) * dim] = part[:, :dim]
    return vectors


def vectors_of(words: Rows, contexts: Rows, strata: Strata, settings: GloveSettings) -> Rows:
    """Return the vectors that the settings ask for, by id. Shape ``(V, dim)``, or ``(V, 2 dim)`` for both."""
    dim = settings.dim
    return by_id(parts_of_vectors(words[:, :dim], contexts[:, :dim], settings), strata, dim)


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

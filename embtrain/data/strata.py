"""Who trains what of a matrix of co-occurrences: strata of rows and of columns, dealt out to processes.

Tokens are dealt out to strata in turn, id i to stratum i modulo their number, so that each has as many frequent ones
as the others; the vectors of a stratum lie together in memory. A diagonal pairs stratum i of the rows with stratum
i + shift of the columns, modulo their number: no two pairs of it have a row or a column in common. Rank r has the
strata of rows r, r + n, r + 2n and so on, n being the number of processes, in every diagonal.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

LEAST_STRATA = 8
"""Up to so many processes can take over from each other. More find twice as many strata, or four times."""


def num_strata(world_size: int) -> int:
    """Return into how many strata rows and columns are dealt out: a power of two, the same for most world sizes."""
    return max(LEAST_STRATA, 1 << (world_size - 1).bit_length())


@dataclass(frozen=True)
class Strata:
    """Where the vectors of a vocabulary lie, stratum after stratum."""

    vocab_size: int
    number: int

    @cached_property
    def ids(self) -> npt.NDArray[np.int64]:
        """Return the ids in the order of their vectors. Shape ``(vocab_size,)``."""
        return np.concatenate([np.arange(stratum, self.vocab_size, self.number) for stratum in range(self.number)])

    @cached_property
    def starts(self) -> npt.NDArray[np.int64]:
        """Return the place of each stratum's first vector, and the end of the last. Shape ``(number + 1,)``."""
        sizes = (self.vocab_size - np.arange(self.number) + self.number - 1) // self.number
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])

    def of_places(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the stratum that each place belongs to."""
        return np.searchsorted(self.starts, places, side="right") - 1

    def row_owners(self, world_size: int) -> npt.NDArray[np.int64]:
        """Return the rank that trains each stratum of rows, in all diagonals. Shape ``(number,)``."""
        return np.arange(self.number) % world_size

    def column_owners(self, shift: int, world_size: int) -> npt.NDArray[np.int64]:
        """Return the rank that trains each stratum of columns in a diagonal. Shape ``(number,)``."""
        return np.roll(self.row_owners(world_size), shift)

    def shifts(self, random: np.random.Generator) -> list[int]:
        """Return all diagonals, for a power of two of them, in an order of which there are as many.

        In it those follow one another that are the same modulo 2, 4 and so on. If the number of processes is one
        of these, they leave all columns with the process that has them.
        """
        mask, bits = int(random.integers(self.number)), self.number.bit_length() - 1
        return [int(f"{number:0{bits}b}"[::-1], base=2) ^ mask for number in range(self.number)]

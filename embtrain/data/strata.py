"""Who trains what of a matrix of co-occurrences: strata of rows and of columns, dealt out to processes.

Rows and columns are dealt out to a number of strata, and a diagonal pairs stratum i of the rows with stratum
i + shift of the columns, modulo their number. No two pairs of a diagonal have a row or a column in common. Rank r
has the strata of rows r, r + n, r + 2n and so on, n being the number of processes, in every diagonal.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LEAST_STRATA = 8
"""Up to so many processes can take over from each other. More find twice as many strata, or four times."""


def num_strata(world_size: int) -> int:
    """Return into how many strata rows and columns are dealt out: a power of two, the same for most world sizes."""
    return max(LEAST_STRATA, 1 << (world_size - 1).bit_length())


def row_owners(num_strata: int, world_size: int) -> npt.NDArray[np.int64]:
    """Return the rank that trains each stratum of rows, in all diagonals. Shape ``(num_strata,)``."""
    return np.arange(num_strata) % world_size


def column_owners(shift: int, num_strata: int, world_size: int) -> npt.NDArray[np.int64]:
    """Return the rank that trains each stratum of columns in a diagonal. Shape ``(num_strata,)``."""
    return np.roll(row_owners(num_strata, world_size), shift)


def shifts(num_strata: int, random: np.random.Generator) -> list[int]:
    """Return all diagonals in an order of which there are ``num_strata``, drawn at random.

    In it those follow one another that are the same modulo a power of two. If the number of processes is one,
    these leave all columns with the process that has them.
    """
    mask, bits = int(random.integers(num_strata)), num_strata.bit_length() - 1
    return [int(f"{number:0{bits}b}"[::-1], base=2) ^ mask for number in range(num_strata)]

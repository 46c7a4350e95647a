"""How long a row is in memory. It stands apart from the kernels, so that who only asks loads none of them."""

from __future__ import annotations

LANES = 16
"""Numbers that kernels work on at a time: rows are a multiple of them."""


def padded(dim: int) -> int:
    """Return the numbers that a row of ``dim`` takes: those past it are 0."""
    return -(-dim // LANES) * LANES

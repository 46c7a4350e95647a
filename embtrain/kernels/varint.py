"""Whole numbers in as few bytes as they need: seven bits a byte, lowest first, the high bit set in all but the last.

The coding is LEB128, that of search engines' posting lists and of Protocol Buffers.
"""

from __future__ import annotations

import numpy as np

from embtrain.kernels.compilation import inlined

LONGEST = 9
"""Bytes that a number of 63 bits takes."""


@inlined
def put_varint(buffer, at, value):
    """Write an int64 >= 0 at ``buffer[at]`` (uint8); return where the next one goes."""
    while value > 127:  # noqa: PLR2004
        buffer[at] = (value & 127) | 128
        value >>= 7
        at += 1
    buffer[at] = value
    return at + 1


@inlined
def take_varint(buffer, at):
    """Read the number at ``buffer[at]``; return it, int64, and where the next one is."""
    value, shift = np.int64(0), np.int64(0)
    byte = np.int64(buffer[at])
    while byte > 127:  # noqa: PLR2004
        value |= (byte & 127) << shift
        shift += 7
        at += 1
        byte = np.int64(buffer[at])
    return value | (byte << shift), at + 1

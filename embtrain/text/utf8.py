"""The bytes of strings, as Arrow holds them: one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def utf8_bytes(texts: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
    """Return the UTF-8 of strings, without a copy.

    Args:
        texts: string array without nulls, shape ``(N,)``.

    Returns:
        All their bytes, and the positions among them where each text begins and the last one ends: shape ``(N + 1,)``.
    """
    _, offsets, data = texts.buffers()
    starts = np.frombuffer(offsets or bytes(4), np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return np.frombuffer(data or b"", np.uint8)[starts[0] : starts[-1]], starts - starts[0]


def utf8_texts(texts: Sequence[str]) -> pa.Array:
    """Return texts as Arrow strings, ``(N,)``.

    A half of a surrogate pair, such as is left of an emoji that a program has cut, has no UTF-8: it becomes ``?``.
    """
    try:
        return pa.array(texts, pa.string())
    except UnicodeEncodeError:
        return pa.array([text.encode(errors="replace") for text in texts], pa.binary()).cast(pa.string())

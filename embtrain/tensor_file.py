"""Named arrays in one file, in safetensors' format: written without a copy, and mapped into memory rather than read."""

from __future__ import annotations

import json
import math
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from safetensors import safe_open

Arrays = dict[str, npt.NDArray[Any]]

_NAMES = {"<f8": "F64", "<f4": "F32", "<f2": "F16", "<i8": "I64", "<i4": "I32", "|u1": "U8"}
_DTYPES = {name: np.dtype(code) for code, name in _NAMES.items()}
_LENGTH_BYTES = 8


def write_tensors(tensors: Mapping[str, npt.NDArray[Any]], path: Path) -> None:
    """Write arrays of little-endian numbers to a file.

    safetensors' own function copies each array before it writes it, and lets nobody but the user read the file.

    Raises:
        OSError: if it cannot be written.
    """
    # As safetensors': the widest numbers first, so that all are aligned.
    ordered = dict(sorted(tensors.items(), key=lambda item: -item[1].itemsize))
    with path.open("wb") as file:
        write_header({name: (array.dtype, array.shape) for name, array in ordered.items()}, file)
        for array in ordered.values():
            file.write(np.ascontiguousarray(array).data)


def write_header(described: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]], file: IO[bytes]) -> None:
    """Write what comes before the numbers of arrays of these types and shapes, in this order."""
    header: dict[str, Any] = {}
    end = 0
    for name, (dtype, shape) in described.items():
        begin, end = end, end + dtype.itemsize * math.prod(shape)
        header[name] = {"dtype": _NAMES[dtype.str], "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % _LENGTH_BYTES)  # so that the numbers begin at a multiple of 8 bytes
    file.write(len(text).to_bytes(_LENGTH_BYTES, "little") + text)


def map_tensors(path: Path) -> Arrays:
    """Return the arrays of a file, read-only, which the system reads as they are used, and may forget again.

    Processes that map the same file share its memory. The file may be deleted or replaced meanwhile, but not changed.

    Raises:
        OSError: if it cannot be read.
        SafetensorError: if it is damaged, or no such file.
        ValueError: if it holds numbers of another type than :func:`write_tensors` writes.
    """
    with safe_open(path, framework="numpy"):
        pass  # which looks whether the header describes the whole file
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    first = _LENGTH_BYTES + int.from_bytes(mapped[:_LENGTH_BYTES], "little")
    header = json.loads(mapped[_LENGTH_BYTES:first])
    header.pop("__metadata__", None)
    return {name: _mapped(mapped, first, name, **described) for name, described in header.items()}


def _mapped(
    file: mmap.mmap, first: int, name: str, *, dtype: str, shape: list[int], data_offsets: list[int]
) -> npt.NDArray[Any]:
    if dtype not in _DTYPES:
        raise ValueError(f"the tensor {name!r} is of type {dtype}, expected one of {', '.join(_DTYPES)}")
    return np.frombuffer(file, _DTYPES[dtype], math.prod(shape), first + data_offsets[0]).reshape(shape)

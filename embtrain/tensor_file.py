"""One file of named arrays, in safetensors' format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt
from safetensors.numpy import save_file


def write_tensors(tensors: Mapping[str, npt.NDArray[Any]], path: Path) -> None:
    """Write arrays to a file that whoever may read this user's other new files may read, too.

    Raises:
        OSError, SafetensorError: if it cannot be written.
    """
    path.touch()
    mode = path.stat().st_mode
    save_file(dict(tensors), path)  # puts another file in its place, which nobody else may read
    path.chmod(mode)

"""How kernels are compiled: without the GIL, without checks, and once per machine.

A compiled kernel is kept in the user's cache and found there by the next process. numba notices a change
of the file that holds a kernel, but not of the files that it imports; so the folder is named after a hash
of all kernels' source. ``NUMBA_CACHE_DIR``, where set, comes first.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from importlib import resources
from pathlib import Path

import numba


def _cache_folder() -> str:
    sources = sorted(resources.files("embtrain.kernels").iterdir(), key=lambda entry: entry.name)
    digest = hashlib.sha256(b"".join(entry.read_bytes() for entry in sources if entry.name.endswith(".py")))
    try:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "embtrain"
        root.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # no home, or one that cannot be written
        root = Path(tempfile.gettempdir()) / "embtrain"
    return str(root / f"kernels-{digest.hexdigest()[:12]}")


numba.config.CACHE_DIR = numba.config.CACHE_DIR or _cache_folder()

# Callers validate; a kernel is given only what is right. So it needs no bounds checks, and division by zero
# follows IEEE rather than raising.
kernel = numba.njit(nogil=True, cache=True, boundscheck=False, error_model="numpy")

# Small functions that kernels are made of, at no cost of a call.
inlined = numba.njit(inline="always", boundscheck=False, error_model="numpy")

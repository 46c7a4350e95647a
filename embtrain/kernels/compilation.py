"""How kernels are compiled: without the GIL, without checks, and once per user and machine.

A compiled kernel is kept in a folder and found there by the next process. numba notices a change of the file that
holds a kernel, but not of the files that it imports, so the folder is named after a hash of all kernels' source. It
is the first that this user may write to, below ``NUMBA_CACHE_DIR``, the user's cache, or the folder for temporary
files; where there is none, every process compiles for itself.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numba
from numba.core import caching


def _source_digest() -> str:
    sources = sorted(resources.files("embtrain.kernels").iterdir(), key=lambda entry: entry.name)
    return hashlib.sha256(b"".join(entry.read_bytes() for entry in sources if entry.name.endswith(".py"))).hexdigest()


def _roots() -> Iterator[Path]:
    """Yield the folders that may hold compiled kernels, the first choice first."""
    if numba.config.CACHE_DIR:
        yield Path(numba.config.CACHE_DIR)
    if "XDG_CACHE_HOME" in os.environ:
        yield Path(os.environ["XDG_CACHE_HOME"]) / "embtrain"
    yield Path("~").expanduser() / ".cache" / "embtrain"
    yield Path(tempfile.gettempdir()) / f"embtrain-{os.getuid()}"


def _own_folder(name: str) -> Path | None:
    """Make a folder for this user alone, since what is in it is run; None where there can be none."""
    for root in _roots():
        folder = root / name
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
            if folder.stat().st_uid == os.getuid():
                tempfile.TemporaryFile(dir=folder).close()
                return folder
        except OSError:
            continue
    return None


_DIGEST = _source_digest()
_FOLDER = _own_folder(f"kernels-{_DIGEST[:12]}")


class KernelCache(caching._CacheLocator):  # type: ignore[misc] # noqa: SLF001 - numba names no other way
    """Tells numba where kernels are kept. Its own ways differ for code in a zip, and end where a home is missing."""

    def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
        self._py_file = py_file
        self._line = py_func.__code__.co_firstlineno

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> KernelCache | None:
        """Return one for a kernel, and None for what is not embtrain's."""
        return cls(py_func, py_file) if py_func.__module__.startswith("embtrain.kernels.") else None

    def get_cache_path(self) -> str:
        """Return the folder."""
        return str(_FOLDER)

    def get_source_stamp(self) -> str:
        """Return what changes with the source."""
        return _DIGEST

    def get_disambiguator(self) -> str:
        """Return what tells functions of one name and file apart."""
        return str(self._line)


caching.CacheImpl._locator_classes.insert(0, KernelCache)  # noqa: SLF001

# Callers validate; a kernel is given only what is right. So it needs no bounds checks, and division by zero
# follows IEEE rather than raising.
kernel = numba.njit(nogil=True, cache=_FOLDER is not None, boundscheck=False, error_model="numpy")

# Small functions that kernels are made of, at no cost of a call.
inlined = numba.njit(inline="always", boundscheck=False, error_model="numpy")

"""Opening files of vectors, compressed or not, and putting finished ones in place."""

from __future__ import annotations

import glob
import gzip
import shutil
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, cast
from uuid import uuid4

import pyarrow as pa

from embtrain.errors import FormatError
from embtrain.storage import UNFINISHED

_GZIP_MAGIC = b"\x1f\x8b"
_ABANDONED_SECONDS = 24 * 3600


@contextmanager
def reading(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, gzip undone. What is wrong with its content becomes a ``FormatError``.

    Raises:
        FormatError: naming the file, if it is missing, damaged, or holds what vectors cannot be made of.
    """
    with errors_named(path), path.open("rb") as file:
        compressed = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        if compressed:
            with gzip.open(file) as content:
                yield cast("IO[bytes]", content)
        else:
            yield file


@contextmanager
def errors_named(path: Path) -> Iterator[None]:
    """Turn the errors of damaged content into a ``FormatError`` that names the file."""
    try:
        yield
    except FormatError:
        raise
    except FileNotFoundError:
        raise FormatError(f"there is no file or folder {path}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FormatError(f"{path} is cut short or damaged: {error}") from None
    # A UnicodeDecodeError is a ValueError; JSON that is nested too deeply is a RecursionError.
    except (ValueError, RecursionError, pa.ArrowException) as error:
        raise FormatError(f"{path}: {error}") from None


@contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that appears under its name once it is whole; gzip if the name ends in ``.gz``.

    Raises:
        FormatError: if ``finished`` does.
    """
    with finished(path) as unfinished, unfinished.open("wb") as file:
        if path.suffix == ".gz":
            with gzip.open(file, "wb", compresslevel=6) as compressed:
                yield cast("IO[bytes]", compressed)
        else:
            yield file


@contextmanager
def finished(path: Path) -> Iterator[Path]:
    """Yield another name in the same folder, which becomes ``path`` if nothing is raised, and else is removed.

    The name is nobody else's: of several that write one file at once, the last that is done stays. What runs left that
    were killed is removed once nothing in it has changed for a day.

    Raises:
        FormatError: if ``path`` is a folder already, or the one that it shall be in is not there.
    """
    if path.is_dir():
        raise FormatError(f"cannot write {path}: it is a folder; name a file in it, or something new")
    if not path.parent.is_dir():
        raise FormatError(f"cannot write {path}: there is no folder {path.parent}")
    for left in path.parent.glob(f".{glob.escape(path.name)}.*{UNFINISHED}"):
        with suppress(OSError):  # it may be another user's, or another run removes it as well
            if time.time() - _last_written(left) > _ABANDONED_SECONDS:
                _remove(left)
    unfinished = path.with_name(f".{path.name}.{uuid4().hex}{UNFINISHED}")
    try:
        yield unfinished
        _rename(unfinished, path)
    except BaseException:
        _remove(unfinished)
        raise


def _rename(unfinished: Path, path: Path) -> None:
    try:
        unfinished.replace(path)
    except OSError:
        if path.is_dir():
            raise FormatError(f"cannot write {path}: another run has made a folder of that name meanwhile") from None
        raise


def _last_written(path: Path) -> float:
    """Return when a file, or anything in a folder, was last written, in seconds since 1970."""
    return max(entry.stat().st_mtime for entry in (path, *path.rglob("*")))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

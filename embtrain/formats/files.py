"""Opening files of vectors, compressed or not, and putting finished ones in place."""

from __future__ import annotations

import gzip
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import pyarrow as pa

from embtrain.errors import FormatError

_GZIP_MAGIC = b"\x1f\x8b"


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

    Raises:
        FormatError: if ``path`` is a folder already, or the one that it shall be in is not there.
    """
    if path.is_dir():
        raise FormatError(f"cannot write {path}: it is a folder; name a file in it, or something new")
    if not path.parent.is_dir():
        raise FormatError(f"cannot write {path}: there is no folder {path.parent}")
    unfinished = path.with_name(f".{path.name}.unfinished")
    _remove(unfinished)  # what a run left that was killed
    try:
        yield unfinished
        unfinished.replace(path)
    except BaseException:
        _remove(unfinished)
        raise


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

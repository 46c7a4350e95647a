"""Files on whatever file system a location names: a disk, HDFS, S3, Google Cloud Storage.

A location is a path or a URI. The file systems are pyarrow's; Spark's spellings of the same
schemes (``s3a://``) are understood.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
from pyarrow import fs

from embtrain.errors import SetupError

_SPARK_SCHEMES = {"s3a": "s3", "s3n": "s3"}

# These show an object only once it is whole, and cannot rename.
_OBJECT_STORES = (fs.S3FileSystem, fs.GcsFileSystem)

# HDFS renames over a file only once that is deleted: for a moment neither is there.
_LONGEST_GAP_SECONDS = 2.0

# What stands between :// and @ where it has a password; of a web address also a token alone. A name alone is none:
# Azure has a container there.
_CREDENTIALS = re.compile(r"(?<=://)[^/@:\s]*:[^/\s]*@|(?<=https://)[^/\s]+@|(?<=http://)[^/\s]+@")

UNFINISHED = ".unfinished"
"""Ends the name of a file that is being written, and of what is left of one whose writer was killed."""


def without_credentials(text: str) -> str:
    """Return a text with the names and passwords taken out of the URIs in it, as it may be shown and logged."""
    return _CREDENTIALS.sub("***@", text)


@dataclass(frozen=True)
class Location:
    """A folder or file: the file system it is on, and its path there."""

    filesystem: fs.FileSystem
    path: str
    uri: str

    @classmethod
    def of(cls, location: str | Path) -> Location:
        """Open the file system that ``location`` names.

        Raises:
            SetupError: if pyarrow has no file system for the scheme, or cannot open it.
        """
        text = str(location)
        scheme, separator, rest = text.partition("://")
        if not separator:
            path = str(Path(text).absolute())
            return cls(fs.LocalFileSystem(), path, path)
        try:
            filesystem, path = fs.FileSystem.from_uri(f"{_SPARK_SCHEMES.get(scheme, scheme)}://{rest}")
        except (pa.ArrowException, OSError) as error:
            # Where Java is missing, HDFS gives a line for each place that was searched.
            reason = str(error).partition("\n")[0]
            raise SetupError(
                f"cannot open {text}: {reason}; expected a path, or a URI such as s3a://BUCKET/x"
            ) from None
        return cls(filesystem, path, text)

    def __truediv__(self, name: str) -> Location:
        """Return the entry ``name`` of this folder."""
        return Location(self.filesystem, f"{self.path}/{name}", f"{self.uri}/{name}")

    def __str__(self) -> str:
        """Return the location as the user spelled it."""
        return self.uri

    @property
    def for_spark(self) -> str:
        """Return the location as Spark is to be given it: a bare path is on Spark's default file system, not here."""
        return f"file://{self.path}" if isinstance(self.filesystem, fs.LocalFileSystem) else self.uri

    def exists(self) -> bool:
        """Tell whether there is a file or folder here."""
        return bool(self.filesystem.get_file_info(self.path).type != fs.FileType.NotFound)

    def files(self) -> list[fs.FileInfo]:
        """List this folder's files, hidden ones (``_x``, ``.x``) left out, by name."""
        selector = fs.FileSelector(self.path, allow_not_found=True)
        found = [info for info in self.filesystem.get_file_info(selector) if info.type == fs.FileType.File]
        return sorted((info for info in found if info.base_name[0] not in "_."), key=lambda info: info.base_name)

    def remove(self) -> None:
        """Delete the folder and all in it; nothing happens where there is none."""
        if self.exists():
            self.filesystem.delete_dir(self.path)

    def read_json(self) -> dict[str, Any] | None:
        """Read a JSON object; None where there is no file, ValueError where it is no JSON object.

        A file that is not there while another is about to take its name is waited for.
        """
        data = self._read()
        if data is None and self._renames:
            data = self._await()
        if data is None:
            return None
        value = json.loads(data)
        if not isinstance(value, dict):
            raise ValueError(f"{self}: expected a JSON object")
        return value

    def _read(self) -> bytes | None:
        try:
            with self.filesystem.open_input_stream(self.path) as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return None

    def _await(self) -> bytes | None:
        deadline = time.monotonic() + _LONGEST_GAP_SECONDS
        while self._is_being_written() and time.monotonic() < deadline:
            time.sleep(0.05)
            if (data := self._read()) is not None:
                return data
        return self._read()  # it may have got its name just after it was looked for

    @property
    def _renames(self) -> bool:
        """Whether files are written under another name before they get theirs."""
        return not isinstance(self.filesystem, _OBJECT_STORES)

    def _is_being_written(self) -> bool:
        folder, _, name = self.path.rpartition("/")
        entries = self.filesystem.get_file_info(fs.FileSelector(folder, allow_not_found=True))
        names = [info.base_name for info in entries]
        return any(other.startswith(f"{name}.") and other.endswith(UNFINISHED) for other in names)

    def write_json(self, value: dict[str, Any]) -> None:
        """Write a JSON object, whole or not at all.

        A finished file is renamed; an object store shows an object only once it is whole. Of several that write it at
        once, the last one's stays.
        """
        data = (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
        target = f"{self.path}.{uuid4().hex}{UNFINISHED}" if self._renames else self.path
        with self.filesystem.open_output_stream(target) as stream:
            stream.write(data)
        if self._renames:
            self._replace_by(target)

    def _replace_by(self, source: str) -> None:
        try:
            self.filesystem.move(source, self.path)
        except NotImplementedError:  # Azure without hierarchical namespaces: a copy shows once it is whole
            self.filesystem.copy_file(source, self.path)
            self.filesystem.delete_file(source)

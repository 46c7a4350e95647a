"""Leases: who is at work on a snapshot, so that nobody deletes what another reads or writes.

A lease is a small file in the snapshot's folder, rewritten every few seconds while its holder lives. Runs that add
tables or read them hold shared leases, as many as there are; whoever deletes tables holds an exclusive one. Each
writes its own lease before it looks for others: of two that start at the same moment, at least one sees the other.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from pyarrow import fs

from embtrain.errors import SetupError
from embtrain.storage import Location

RENEWAL_SECONDS = 20.0
EXPIRY_SECONDS = 180.0
"""A holder that has not been heard of for so long was killed."""

_PREFIX, _SUFFIX = ".lease-", ".json"

log = logging.getLogger(__name__)


@contextmanager
def held(location: Location, holder: str, *, exclusive: bool = False) -> Iterator[None]:
    """Hold a lease on a snapshot while the block runs.

    Who shares a folder that it cannot write to goes without one.

    Args:
        location: the snapshot's folder, which exists.
        holder: what the user started, such as ``embtrain prepare``.
        exclusive: refuse to begin while anybody else holds a lease; otherwise, while somebody holds an exclusive one.

    Raises:
        SetupError: if another's lease stands in the way, naming its holder.
    """
    lease = {
        "holder": holder,
        "host": socket.gethostname(),
        "process": os.getpid(),
        "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "exclusive": exclusive,
    }
    file = location / f"{_PREFIX}{uuid4().hex}{_SUFFIX}"
    try:
        file.write_json(lease)
    except OSError as error:
        if exclusive:
            raise SetupError(f"cannot write to {location} ({error})") from None
        yield
        return
    released = threading.Event()
    renewal = threading.Thread(target=_renew, args=(file, lease, released), name="lease", daemon=True)
    renewal.start()
    try:
        _require_way(location, file, exclusive=exclusive)
        yield
    finally:
        released.set()
        renewal.join()
        with suppress(OSError):
            file.filesystem.delete_file(file.path)


def _renew(file: Location, lease: dict[str, Any], released: threading.Event) -> None:
    while not released.wait(RENEWAL_SECONDS):
        try:
            file.write_json(lease)
        except OSError as error:
            log.warning("cannot renew %s (%s); trying again in %g seconds", file, error, RENEWAL_SECONDS)


def _require_way(location: Location, own: Location, *, exclusive: bool) -> None:
    """Refuse to go on where another's lease stands in the way; delete those that have expired."""
    written = _leases(location)
    # Its own file, just written, gives the time by the clock of the file system, which need not be this machine's.
    now = written.pop(own.path.rpartition("/")[2])
    for name, time_ns in written.items():
        file = location / name
        if now - time_ns > EXPIRY_SECONDS * 1e9:
            with suppress(FileNotFoundError):  # others delete it as well
                file.filesystem.delete_file(file.path)
            continue
        other = file.read_json()
        if other and (exclusive or other["exclusive"]):
            raise SetupError(
                f"{location} is in use by {other['holder']} (process {other['process']} on {other['host']}, "
                f"since {other['since']}): wait until that has ended; if it was killed, "
                f"it counts as ended {EXPIRY_SECONDS / 60:g} minutes later"
            )


def _leases(location: Location) -> dict[str, int]:
    """Return when each lease was last written, in nanoseconds since 1970, by its file's name.

    A file that is about to take that name counts: some file systems delete the old one before.
    """
    written: dict[str, int] = {}
    for info in location.filesystem.get_file_info(fs.FileSelector(location.path)):
        stem, suffix, _ = info.base_name.partition(_SUFFIX)
        if stem.startswith(_PREFIX) and suffix:
            written[stem + suffix] = max(written.get(stem + suffix, 0), info.mtime_ns)
    return written

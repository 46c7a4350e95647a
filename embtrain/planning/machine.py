"""What this machine has left: memory within every limit that holds for this process, a GPU's memory, and disk.

The only module of the package that looks at the machine. Linux tells of limits under ``/proc`` and ``/sys``; elsewhere
the memory that is built in stands for what is free.
"""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path("/")


@dataclass(frozen=True)
class Room:
    """Bytes that may still be taken, and what bounds them."""

    bytes: int
    bound: str
    """For messages, such as ``free on this machine``."""


def memory_room(root: Path = ROOT) -> Room:
    """Return the memory that this process may still take: the least of what is free and of what limits leave.

    Args:
        root: where ``proc`` and ``sys`` are.
    """
    rooms = [_free(root), *_of_control_groups(root), *_of_address_space(root)]
    return min(rooms, key=lambda room: room.bytes)


def gpu_room() -> Room | None:
    """Return the free memory of the GPU that torch would take, or None without one."""
    try:
        import torch  # noqa: PLC0415 - plans for CPUs do without
    except ModuleNotFoundError:
        return None
    if not torch.cuda.is_available():
        return None
    free, _ = torch.cuda.mem_get_info()
    return Room(int(free), f"free on the {torch.cuda.get_device_name()}")


def disk_room(folder: str | Path) -> Room:
    """Return the free bytes of the disk that a folder is on, or will be on."""
    return Room(shutil.disk_usage(existing(folder)).free, f"free on the disk of {folder}")


def existing(folder: str | Path) -> Path:
    """Return a folder, or the nearest one above it that is there."""
    place = Path(folder).absolute()
    return next(parent for parent in (place, *place.parents) if parent.exists())


def num_cores() -> int:
    """Return the cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _free(root: Path) -> Room:
    """Return what the machine has free, or could free without writing anything to a disk."""
    for line in _lines(root / "proc/meminfo"):
        if line.startswith("MemAvailable:"):
            return Room(int(line.split()[1]) << 10, "free on this machine")
    return Room(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), "built into this machine")


def _of_control_groups(root: Path) -> Iterator[Room]:
    """Yield what the control groups of this process leave, those above its own too; of both versions of Linux."""
    for line in _lines(root / "proc/self/cgroup"):
        number, controllers, path = line.split(":", 2)
        if number == "0":
            top, limit, usage, cache = "", "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            top, limit, usage = "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
            cache = "total_inactive_file"
        else:
            continue
        mounted = root / "sys/fs/cgroup" / top
        own = PurePosixPath(path.lstrip("/"))
        for group in (own, *own.parents):
            bound, taken = (_number(mounted / group / name) for name in (limit, usage))
            if bound is not None and taken is not None:
                # Pages of files that were read, which the kernel gives back first.
                idle = _entry(mounted / group / "memory.stat", cache)
                yield Room(max(0, bound - taken + idle), "left of the control group's limit")


def _of_address_space(root: Path) -> Iterator[Room]:
    """Yield what ``ulimit -v`` leaves."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = next(iter(_lines(root / "proc/self/statm")), None)
    if limit != resource.RLIM_INFINITY and pages:
        yield Room(max(0, limit - int(pages.split()[0]) * resource.getpagesize()), "left of the limit by ulimit -v")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines()
    except OSError:
        return []


def _number(path: Path) -> int | None:
    """Return the number in a file; None where there is none, or it says that there is no limit."""
    text = next(iter(_lines(path)), "max")
    return int(text) if text.isdigit() else None


def _entry(path: Path, name: str) -> int:
    return next((int(line.split()[1]) for line in _lines(path) if line.split()[0] == name), 0)

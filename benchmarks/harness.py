"""What all benchmarks share: where data is, fresh processes, and the line of JSON at the end.

Data is looked for in EMBTRAIN_DATA (default ``../shared/data``). Files made from it, and snapshots, are kept under
``build/benchmarks`` for the next time.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("EMBTRAIN_DATA", ROOT.parent / "shared" / "data"))
WORK = ROOT / "build" / "benchmarks"


@dataclass(frozen=True)
class Result:
    """One claim, measured. ``ratio`` above 1: ours is better; quality in points of 100, higher is better."""

    name: str
    unit: str
    ours: float
    peer: float
    peer_name: str
    ratio: float
    quality: dict[str, dict[str, float]]


def arguments(
    description: str,
    *,
    rounds: int | None = None,
    large: str | None = None,
    no_peers: str | None = None,
    device: bool = False,
) -> argparse.Namespace:
    """Read the command line: ``--json`` for the last line alone; the others where a benchmark has them."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print nothing but the result's line of JSON")
    if rounds:
        parser.add_argument("--rounds", type=int, default=rounds, help="times that both run, in turn")
    if large:
        parser.add_argument("--large", action="store_true", help=large)
    if no_peers:
        parser.add_argument("--no-peers", action="store_true", help=no_peers)
    if device:
        parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="what embtrain trains on")
    return parser.parse_args()


def data_file(name: str) -> Path:
    """Return a file of the data folder, or say that it is missing and stop."""
    path = DATA / name
    if not path.exists():
        sys.exit(f"this benchmark needs {path}; set EMBTRAIN_DATA to the folder that holds {name}")
    return path


def plain_text(name: str) -> Path:
    """Return a compressed file of the data folder as a plain one, for programs that read nothing else."""
    packed, plain = data_file(name), WORK / Path(name).stem
    if not plain.exists():
        WORK.mkdir(parents=True, exist_ok=True)
        unfinished = plain.with_suffix(".unfinished")
        with gzip.open(packed) as source, unfinished.open("wb") as target:
            shutil.copyfileobj(source, target)
        unfinished.rename(plain)
    return plain


def glove_program(name: str) -> Path:
    """Return a program of Stanford's GloVe, or say that it is missing and stop."""
    folder = os.environ.get("GLOVE_HOME")
    path = Path(folder or "GLOVE_HOME") / "build" / name
    if not folder or not path.exists():
        sys.exit(
            f"this benchmark's peer is {path}; build https://github.com/stanfordnlp/GloVe by `make`, "
            "and set GLOVE_HOME to its folder"
        )
    return path.absolute()


def require(package: str) -> None:
    """Stop with a sentence where the peer's package is not installed."""
    try:
        __import__(package)
    except ImportError:
        sys.exit(f"this benchmark's peer is {package}, which is not installed: pip install {package}")


def in_fresh_process(function: Callable[..., Any], *values: Any) -> Any:
    """Call a function in a process of its own, so that neither memory nor threads of the last one are left."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *values).result()


@contextmanager
def peak_memory() -> Iterator[Callable[[], float]]:
    """Yield a function that tells by how many bytes this process has grown at most since the block began."""
    import psutil

    process = psutil.Process()
    before = process.memory_info().rss
    peak, done = [before], threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            peak[0] = max(peak[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield lambda: float(max(peak[0], process.memory_info().rss) - before)
    finally:
        done.set()
        watcher.join()


def say(text: str, *, quiet: bool) -> None:
    """Print for a reader, unless only the JSON is wanted."""
    if not quiet:
        print(text, flush=True)


def finish(result: Result) -> None:
    """Print the line of JSON, with the machine and the commit."""
    print(json.dumps({**asdict(result), "machine": machine(), "commit": commit()}))


def machine() -> str:
    """Describe the processor, its cores, and Python."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        model = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def commit() -> str:
    """Return the commit that is checked out, with a mark where files differ from it."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "unknown"

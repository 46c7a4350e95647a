"""Co-occurrences of window 10 on two cores: embtrain's Spark stage, and Stanford GloVe's ``cooccur`` and ``shuffle``.

Both begin with a tokenised corpus and its vocabulary, and end with cells on the disk in random order. Starting Spark
is not counted; its first pass in a session is printed, the second, when Java has compiled what it runs, is the figure.
Quality is the share of the cells that both have, with weights that differ by less than 1e-4 of them.

With ``--large`` embtrain counts the same text four times over as well, each time with other words: how much more time
and memory that takes.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as ds
from harness import WORK, Result, arguments, finish, glove_program, in_fresh_process, plain_text, say

CORPUS = "corpora/enwiki-100m.txt.gz"
WINDOW, MIN_COUNT, PARTITIONS, CORES = 10, 5, 8, 2
PASSES = 2
TOLERANCE = 1e-4
FOLDER = WORK / "cooccurrence"

CREC = np.dtype([("row", "<i4"), ("column", "<i4"), ("weight", "<f8")])
"""A cell as GloVe's programs write it; words are numbered from 1."""


@dataclass(frozen=True)
class Run:
    """What counting took: seconds of each pass, and the most memory that one of Spark's Python workers had."""

    snapshot: str
    seconds: list[float]
    worker_bytes: int


def main() -> None:
    """Count with both, compare the cells, and see how ours grows."""
    options = arguments(str(__doc__).splitlines()[0], large="also count the text four times over")
    text = plain_text(CORPUS)
    programs = {name: glove_program(name) for name in ("vocab_count", "cooccur", "shuffle")}
    FOLDER.mkdir(parents=True, exist_ok=True)

    ours = in_fresh_process(count, text, FOLDER / "once")
    say(f"embtrain: {describe(ours)}", quiet=options.json)
    seconds = run_stanford(text, programs)
    say(f"Stanford: cooccur {seconds['cooccur']:.1f} s, shuffle {seconds['shuffle']:.1f} s", quiet=options.json)
    cells, agreeing, difference = in_fresh_process(compare, ours.snapshot)
    say(f"cells: {cells:,}; largest relative difference of a weight {difference:.1e}", quiet=options.json)
    if options.large:
        larger = in_fresh_process(count, four_times(text), FOLDER / "four-times")
        grown = larger.seconds[-1] / ours.seconds[-1], larger.worker_bytes / ours.worker_bytes
        say(f"four times the text and words: {describe(larger)}", quiet=options.json)
        say(f"that is {grown[0]:.2f} times the time, and {grown[1]:.2f} times the memory", quiet=options.json)

    speed, peer_speed = cells / ours.seconds[-1], cells / sum(seconds.values())
    quality = {"ours": {"cells_that_agree": agreeing}, "peer": {"cells_that_agree": agreeing}}
    peer_name = "Stanford GloVe's cooccur and shuffle, one thread"
    finish(Result("cooccurrence", "cells/s, second pass", speed, peer_speed, peer_name, speed / peer_speed, quality))


def describe(run: Run) -> str:
    """Spell the measures of a run."""
    passes = ", then ".join(f"{seconds:.1f} s" for seconds in run.seconds)
    return f"first {passes}; a worker had at most {run.worker_bytes / 2**20:.0f} MB"


def count(text: Path, folder: Path) -> Run:
    """Prepare the sequences, then count them in a session of their own, twice."""
    from embtrain.config import CooccurrenceSettings, Settings, SparkSettings
    from pipelines.prepare import prepare
    from pipelines.session import spark_session

    settings = Settings(
        name="bench",
        snapshot=str(folder),
        # A line is a document, and all of them are counted, as the peer does.
        corpus={"paths": [str(text)], "tokenizer": "whitespace", "held_out": 0, "deduplicate": False,
                "split_sentences": False},
        vocabulary={"min_count": MIN_COUNT},  # type: ignore[arg-type]
        spark=SparkSettings(master=f"local[{CORES}]", partitions=PARTITIONS),
        cooccurrence=CooccurrenceSettings(window=WINDOW),
    )  # fmt: skip
    in_fresh_process(prepare_in_session, settings)
    counting = settings.model_copy(update={"tables": ["cooccurrence"]})
    seconds = []
    with spark_session(settings.spark, app="bench_cooccurrence") as spark, watched_workers() as worker_bytes:
        spark.sparkContext.setLogLevel("ERROR")
        for _ in range(PASSES):
            for earlier in folder.glob("cooccurrence-*"):
                shutil.rmtree(earlier)
            started = time.perf_counter()
            prepare(spark, counting)
            seconds.append(time.perf_counter() - started)
        return Run(str(folder), seconds, worker_bytes())


def prepare_in_session(settings: Any) -> None:
    """Make the tables that come before the counting, so that the session that counts has seen nothing."""
    from pipelines.prepare import prepare
    from pipelines.session import spark_session

    with spark_session(settings.spark, app="bench_cooccurrence") as spark:
        prepare(spark, settings)


@contextmanager
def watched_workers() -> Iterator[Callable[[], int]]:
    """Yield a function that tells the most memory that a Python process below this one has had."""
    import psutil

    peak, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            for process in psutil.Process().children(recursive=True):
                try:
                    if "python" in process.name():
                        peak[0] = max(peak[0], process.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield lambda: peak[0]
    finally:
        done.set()
        watcher.join()


def run_stanford(text: Path, programs: dict[str, Path]) -> dict[str, float]:
    """Run GloVe's programs one after the other; return the seconds of the two that are compared."""
    count_words = [programs["vocab_count"], "-min-count", str(MIN_COUNT), "-verbose", "0"]
    cooccur = [programs["cooccur"], "-window-size", str(WINDOW), "-vocab-file", "vocab.txt", "-memory", "4"]
    shuffle = [programs["shuffle"], "-memory", "4", "-seed", "1"]
    pipe(count_words, text, FOLDER / "vocab.txt")
    return {
        "cooccur": pipe(cooccur, text, FOLDER / "cells.bin"),
        "shuffle": pipe(shuffle, FOLDER / "cells.bin", FOLDER / "shuffled.bin"),
    }


def pipe(command: list[Any], source: Path, target: Path) -> float:
    """Run a program from a file to a file; return the seconds it took."""
    started = time.perf_counter()
    with source.open("rb") as given, target.open("wb") as written:
        subprocess.run(command, stdin=given, stdout=written, stderr=subprocess.DEVNULL, cwd=FOLDER, check=True)
    return time.perf_counter() - started


def compare(location: str) -> tuple[int, float, float]:
    """Return the number of our cells, the share in points of 100 that agree, and the largest difference of a weight."""
    from embtrain.manifest import Snapshot
    from embtrain.schema import COOCCURRENCE, VOCABULARY

    snapshot = Snapshot.open(location)
    folder, manifest = snapshot.table(VOCABULARY)
    tokens = ds.dataset(folder.path, format="parquet").to_table(columns=["token"])["token"].to_pylist()
    peer_tokens = [line.split()[0] for line in (FOLDER / "vocab.txt").read_text("ascii").splitlines()]
    assert tokens == peer_tokens, "both number words by descending count, then by their letters"

    folder, manifest = snapshot.table(COOCCURRENCE)
    stripes = ds.dataset(folder.path, format="parquet").to_table().combine_chunks().sort_by("row")
    lengths = stripes["columns"].combine_chunks().value_lengths().to_numpy()
    keys = np.repeat(stripes["row"].to_numpy().astype(np.int64) * len(tokens), lengths)
    keys += stripes["columns"].combine_chunks().flatten().to_numpy()
    weights = stripes["weights"].combine_chunks().flatten().to_numpy()
    assert len(keys) == manifest.measures["cells"]

    peer = np.fromfile(FOLDER / "cells.bin", CREC)
    peer_keys = (peer["row"].astype(np.int64) - 1) * len(tokens) + peer["column"] - 1
    _, ours, theirs = np.intersect1d(keys, peer_keys, assume_unique=True, return_indices=True)
    difference = np.abs(weights[ours] / peer["weight"][theirs] - 1)
    agreeing = 100 * float((difference < TOLERANCE).sum()) / max(len(keys), len(peer_keys))
    return len(keys), agreeing, float(difference.max())


def four_times(text: Path) -> Path:
    """Write the text four times over, each time with another letter before all words."""
    target = FOLDER / "four-times.txt"
    if not target.exists():
        unfinished = target.with_suffix(".unfinished")
        with unfinished.open("wb") as written:
            for letter in (b"w", b"x", b"y", b"z"):
                with text.open("rb") as lines:
                    written.writelines(letter + line.replace(b" ", b" " + letter) for line in lines)
        unfinished.rename(target)
    return target


if __name__ == "__main__":
    main()

"""GloVe against Stanford's ``glove``: the same cells, settings and threads; seconds an iteration, quality after all.

Beside them stands `train.parallel: columns`, which scores cells in batches, in one process.

GLOVE_HOME must hold the programs. Fair is the build with ``-Ofast -march=native``, which is faster than that of a plain
``make``; the result says which one ran. Neither side's iterations include bringing the cells into random order:
``shuffle`` for Stanford's, which is not run here, since the file that ``glove`` gets is written shuffled; tiling for
ours, whose time is printed. Of each side the median iteration counts.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import harness
import numpy as np
from word2vec_contest import CORPUS, mean_quality, prepare_snapshot, quality_of

DIM, WINDOW, X_MAX, EPOCHS, THREADS = 100, 10, 10.0, 15, 2
FOLDER = harness.WORK / "glove"

CREC = np.dtype([("row", "<i4"), ("column", "<i4"), ("weight", "<f8")])
"""A cell as GloVe's programs read it; words are numbered from 1."""


@dataclass(frozen=True)
class Entry:
    """What one side did: cells, seconds and cost per cell of each iteration, quality in points of 100."""

    cells: int
    seconds: list[float]
    costs: list[float]
    quality: dict[str, float]


def main() -> None:
    """Train with both, in turn, and print every figure and the result."""
    options = harness.arguments(str(__doc__).splitlines()[0], rounds=1)
    program = harness.glove_program("glove")
    build = f"built {'with' if has_fast_math(program) else 'without'} -Ofast, {THREADS} threads"
    harness.say(f"{program}: {build}; fair is the build with -Ofast", quiet=options.json)
    FOLDER.mkdir(parents=True, exist_ok=True)
    snapshot = harness.in_fresh_process(prepare)
    harness.in_fresh_process(write_for_stanford, snapshot)
    entries: dict[str, list[Entry]] = {"Stanford": [], "embtrain": [], "columns": []}
    for seed in range(1, options.rounds + 1):
        entries["Stanford"].append(train_stanford(program, seed))
        for side, parallel in (("embtrain", "data"), ("columns", "columns")):
            job = (snapshot, seed, options.json, "cpu", parallel)
            entries[side].append(harness.in_fresh_process(train_embtrain, *job))
        for side, of_side in entries.items():
            harness.say(f"round {seed}  {side:9s} {describe(of_side[-1])}", quiet=options.json)
    seconds = {side: statistics.median(s for e in of_side for s in e.seconds) for side, of_side in entries.items()}
    quality = {name: mean_quality(entries[side]) for name, side in (("ours", "embtrain"), ("peer", "Stanford"))}
    ours, peer = (entries[side][0].cells / seconds[side] for side in ("embtrain", "Stanford"))
    harness.finish(harness.Result("glove", "cells/s", ours, peer, f"Stanford's glove, {build}", ours / peer, quality))


def has_fast_math(program: Path) -> bool:
    """Tell whether gcc built a program with -Ofast: it then links code that lets the processor round denormals to 0."""
    return b"set_fast_math" in program.read_bytes()


def describe(entry: Entry) -> str:
    """Spell the measures of a run."""
    seconds = " ".join(f"{value:.2f}" for value in entry.seconds)
    quality = "  ".join(f"{name} {value:.1f}" for name, value in entry.quality.items())
    return f"median {statistics.median(entry.seconds):.2f} s ({seconds})  cost {entry.costs[-1]:.6f}  {quality}"


def prepare() -> str:
    """Return a snapshot with the co-occurrences of the corpus; Spark makes it the first time."""
    from embtrain.config import CooccurrenceSettings, CorpusSettings, Settings

    settings = Settings(
        name="glove",
        snapshot=str(FOLDER / "snapshot"),
        corpus=CorpusSettings(
            paths=[str(harness.data_file(CORPUS))],
            tokenizer="whitespace",
            held_out=0,
            deduplicate=False,
            split_sentences=False,
        ),
        cooccurrence=CooccurrenceSettings(window=WINDOW),
        tables=["cooccurrence"],
    )
    return prepare_snapshot(settings)


def write_for_stanford(snapshot: str) -> None:
    """Write the snapshot's cells as ``shuffle`` would, and its vocabulary."""
    from embtrain.data.stripes import StripeTable
    from embtrain.data.vocabulary import Vocabulary
    from embtrain.manifest import Snapshot

    opened = Snapshot.open(snapshot)
    vocabulary = Vocabulary.read(opened)
    lines = (f"{token} {count}\n" for token, count in zip(vocabulary.tokens, vocabulary.counts, strict=True))
    (FOLDER / "vocabulary.txt").write_text("".join(lines), "utf-8")
    pieces = []
    for stripes in StripeTable(opened).read():
        piece = np.empty(stripes.columns.size, CREC)
        piece["row"] = np.repeat(stripes.rows, np.diff(stripes.offsets)) + 1
        piece["column"], piece["weight"] = stripes.columns + 1, stripes.weights
        pieces.append(piece)
    cells = np.concatenate(pieces)
    cells[np.random.default_rng(0).permutation(cells.size)].tofile(FOLDER / "cells.bin")


def train_stanford(program: Path, seed: int) -> Entry:
    """Run Stanford's program, and take the time of each iteration as it says that it is done."""
    options = {
        "input-file": FOLDER / "cells.bin",
        "vocab-file": FOLDER / "vocabulary.txt",
        "save-file": FOLDER / "stanford",
        "vector-size": DIM,
        "threads": THREADS,
        "iter": EPOCHS,
        "x-max": X_MAX,
        "seed": seed,
    }
    command = [str(program), *(str(word) for key, value in options.items() for word in (f"-{key}", value))]
    seconds, costs, last = [], [], time.perf_counter()
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr
        for line in running.stderr:
            found = re.search(r"iter: (\d+), cost: ([\d.naif]+)", line)
            now = time.perf_counter()
            if found:
                costs.append(float(found[2]))
                seconds.append(now - last)
            if found or "vocab size" in line:
                last = now
    if running.returncode or len(costs) != EPOCHS:
        raise SystemExit(f"{program} ended with {running.returncode} after {len(costs)} of {EPOCHS} iterations")
    cells = (FOLDER / "cells.bin").stat().st_size // CREC.itemsize
    return Entry(cells, seconds, costs, harness.in_fresh_process(quality_of_file, FOLDER / "stanford.txt"))


def quality_of_file(path: Path) -> dict[str, float]:
    """Measure the vectors of a file, without the <unk> that glove appends."""
    from embtrain.formats import read

    vectors = read(path, "glove")
    return quality_of(vectors.index_to_key[:-1], vectors.matrix[:-1])


def train_embtrain(snapshot: str, seed: int, quiet: bool, device: str = "cpu", parallel: str = "data") -> Entry:
    """Train here; by columns in one process, which scores cells in batches, as several would."""
    from embtrain.checkpoint import Checkpoint, Position
    from embtrain.config import Settings
    from embtrain.data.tiles import TiledCells
    from embtrain.data.vocabulary import Vocabulary
    from embtrain.distributed import Group
    from embtrain.manifest import Snapshot
    from embtrain.models.build import build_model, columns_for, on_device
    from embtrain.train import Report, Training

    train = {"epochs": EPOCHS, "seed": seed, "checkpoint_seconds": 1e9, "parallel": parallel}
    settings = Settings.model_validate(
        {"name": "benchmark", "model": {"type": "glove", "dim": DIM, "x_max": X_MAX}, "train": train}
    )
    opened = Snapshot.open(snapshot)
    vocabulary = Vocabulary.read(opened)
    columns = columns_for(settings.model, Group()) if parallel == "columns" else None
    model = build_model(settings.model, vocabulary, threads=THREADS, seed=seed, device=device, columns=columns)
    started = time.perf_counter()
    cells = TiledCells(opened, len(vocabulary), FOLDER, seed=seed, group=Group())
    harness.say(f"tiling {time.perf_counter() - started:.1f} s", quiet=quiet)
    ends, costs = [time.perf_counter()], []

    def observe(report: Report) -> None:
        if report.epoch:
            ends.append(time.perf_counter())
            costs.append(report.epoch.loss_per_pair)

    training: Training[Any] = Training(
        model=model,
        source=on_device(cells, model),
        held_out=None,
        settings=settings.train,
        learning_rate=settings.model.learning_rate,
        group=Group(),
        checkpoint=Checkpoint(FOLDER / "checkpoint", {}),
        observe=observe,
        advance=lambda _: None,
    )
    training.run(Position())
    return Entry(cells.size, np.diff(ends).tolist(), costs, quality_of(vocabulary.tokens, model.vectors()))


if __name__ == "__main__":
    main()

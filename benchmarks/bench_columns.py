"""Vectors split by column against whole vectors: speed and quality, and what goes over the wire.

Skip-gram and CBOW on the same text, each in processes of torchrun: whole vectors in one process of two threads, columns
in one process of two threads and in two of one. On GPUs, which ``--device`` chooses where torch finds them, each
process has its own; two processes are left out where there is one. ``--worker`` is what those processes run.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import harness
import numpy as np
import torch
from word2vec_contest import CORPUS_TOKENS, DIM, EPOCHS, NEGATIVES, WINDOW, Entry, mean_quality, prepare, quality_of

from embtrain.checkpoint import Checkpoint, Position
from embtrain.columns import Columns
from embtrain.config import Settings
from embtrain.data.corpus import Corpus
from embtrain.data.sequences import Block
from embtrain.data.vocabulary import Vocabulary
from embtrain.distributed import Group, process_group
from embtrain.manifest import Snapshot
from embtrain.models.build import build_model, device_for, on_device
from embtrain.models.protocol import DeviceModel
from embtrain.train import Training

WAYS = {"data": (1, 2), "columns": (1, 2), "columns, 2 processes": (2, 1)}
"""Processes, and threads of each."""

MODELS = {"sgns": 0.025, "cbow": 0.15}
"""Learning rates."""

TRIPS = 500
"""Messages sent to know how long one is under way."""


def main() -> None:
    """Run all ways in turn, and print each, and skip-gram's result."""
    options = harness.arguments(__doc__ or "", rounds=1, device=True)
    ways = dict(WAYS)
    if options.device != "cpu" and torch.cuda.device_count() == 1:
        del ways["columns, 2 processes"]
    harness.data_file("corpora/enwiki-100m.txt.gz")
    snapshot = harness.in_fresh_process(prepare)
    speeds: dict[str, dict[str, list[Entry]]] = {name: {way: [] for way in ways} for name in MODELS}
    for seed in range(1, options.rounds + 1):
        for name in MODELS:
            for way, (processes, threads) in ways.items():
                job = {
                    "snapshot": snapshot,
                    "name": name,
                    "parallel": way.split(",")[0],
                    "threads": threads,
                    "seed": seed,
                    "device": options.device,
                }
                found = in_processes(processes, job)
                words = EPOCHS * CORPUS_TOKENS / found["seconds"]
                speeds[name][way].append(Entry(words, found["quality"], 0.0))
                harness.say(f"round {seed}  {name:5s} {way:22s} {described(words, found)}", quiet=options.json)
    ours, peer = (
        float(np.median([entry.words_per_second for entry in speeds["sgns"][way]])) for way in (list(ways)[-1], "data")
    )
    quality = {side: mean_quality(speeds["sgns"][way]) for side, way in (("ours", "columns"), ("peer", "data"))}
    harness.finish(
        harness.Result("columns", "corpus words/s", ours, peer, "whole vectors, two threads", ours / peer, quality)
    )


def described(words_per_second: float, found: dict[str, Any]) -> str:
    """Say what a way did."""
    quality = "  ".join(f"{name} {value:.1f}" for name, value in found["quality"].items())
    text = f"{words_per_second / 1e6:5.2f} M words/s, {found['cpu_seconds']:.0f} s of CPU  {quality}"
    if not found["messages"]:
        return text
    words = EPOCHS * CORPUS_TOKENS
    return (
        f"{text}  {found['messages'] / words * 1e6:.0f} messages per million words, "
        f"{found['numbers'] * 4 / words:.1f} bytes a word, {found['trip'] * 1e6:.0f} us each"
    )


def in_processes(processes: int, job: dict[str, Any]) -> dict[str, Any]:
    """Do a job in so many processes of torchrun; return what the first one has found."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    with tempfile.NamedTemporaryFile("r", suffix=".json") as found:
        command = [*launcher, __file__, "--worker", found.name, json.dumps(job)]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        return dict(json.load(found))


@dataclass(frozen=True)
class CountingGroup(Group):
    """Processes that count what they send each other."""

    sent: tuple[list[int], ...] = ([],)

    def begin_sum(self, values: Any) -> Callable[[], None]:
        """Begin to add up over all processes, and count."""
        self.sent[0].append(math.prod(values.shape))
        return super().begin_sum(values)


def worker(output: Path, *, snapshot: str, name: str, parallel: str, threads: int, seed: int, device: str) -> None:
    """Train in this process, with the others; the first one writes what it found."""
    with process_group(gpus=device != "cpu") as group:
        model = {"type": name, "learning_rate": MODELS[name], "dim": DIM, "window": WINDOW, "num_negatives": NEGATIVES}
        train = {"epochs": EPOCHS, "seed": seed, "device": device, "parallel": parallel}
        settings = Settings(name="benchmark", model=model, train=train)
        opened = Snapshot.open(snapshot)
        vocabulary = Vocabulary.read(opened)
        counting = CountingGroup(**vars(group))
        columns = Columns.of(DIM, counting) if parallel == "columns" else None
        device = device_for(settings.model, device, by_columns=columns is not None)
        built = build_model(settings.model, vocabulary, threads=threads, seed=seed, device=device, columns=columns)
        toy = Block(np.array([0, 1], np.int32), np.array([0, 2], np.int64))
        list(
            built.train(built.upload(toy) if isinstance(built, DeviceModel) else toy, lambda _: 0.0, 1)
        )  # compiles, or loads, the kernels
        counting.sent[0].clear()
        training = Training(
            model=built,
            source=on_device(Corpus.open(settings, opened, len(vocabulary), Group()).source, built),
            held_out=None,
            settings=settings.train,
            learning_rate=settings.model.learning_rate,
            group=Group(),
            checkpoint=NoCheckpoint(Path(), {}),
            observe=lambda _: None,
            advance=lambda _: None,
        )
        started, cpu_started = time.perf_counter(), time.process_time()
        training.run(Position())
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
        sent = list(counting.sent[0]) if group.world_size > 1 else []
        found = {"seconds": seconds, "cpu_seconds": cpu_seconds, "messages": len(sent), "numbers": sum(sent)}
        found["trip"] = seconds_of_a_trip(group, sum(sent) // max(1, len(sent)), device)
        vectors = built.vectors()
        if group.is_first:
            output.write_text(json.dumps(found | {"quality": quality_of(vocabulary.tokens, vectors)}))


def seconds_of_a_trip(group: Group, size: int, device: str) -> float:
    """Return how long it takes to add so many numbers of a device up over all processes."""
    numbers = torch.zeros(size, device=device)
    started = time.perf_counter()
    for _ in range(TRIPS):
        group.begin_sum(numbers)()
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - started) / TRIPS


class NoCheckpoint(Checkpoint):
    """Saves nothing."""

    def save(self, *_arguments: object) -> None:
        """Do nothing."""


if __name__ == "__main__":
    if "--worker" in sys.argv:
        parser = argparse.ArgumentParser()
        parser.add_argument("--worker", type=Path)
        parser.add_argument("job", type=json.loads)
        given = parser.parse_args()
        worker(given.worker, **given.job)
    else:
        main()

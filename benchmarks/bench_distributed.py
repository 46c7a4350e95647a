"""Two processes of one thread, which merge their copies over gloo, against one process of two threads.

The same text and epochs, in turn, each in fresh processes. Time is that of the training loop, merges included;
starting processes and compiling kernels is not. Where other programs use the cores, compare the seconds of CPU.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import harness
import numpy as np
import word2vec_contest

MODELS = {"sgns": {"learning_rate": 0.025}, "cbow": {"learning_rate": 0.05}}
SHAPE = {"dim": 100, "window": 5, "num_negatives": 5}


@dataclass(frozen=True)
class Entry:
    """What some processes did together."""

    words_per_second: float
    cpu_seconds: float
    """Of all processes, in the training."""
    held_out_loss: float
    quality: dict[str, float]


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print nothing but the result's line of JSON")
    parser.add_argument("--rounds", type=int, default=1, help="times that all run, in turn, each with another seed")
    parser.add_argument("--processes", type=int, nargs="+", default=[], help="further numbers of processes")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--model", choices=MODELS, default="sgns")
    parser.add_argument("--merge-words", type=int, help="train.merge_words")
    return parser.parse_args()


def prepare() -> str:
    """Return the snapshot of the corpus, with some held-out text; Spark makes it the first time."""
    from embtrain.config import Settings

    text = harness.data_file(word2vec_contest.CORPUS)
    corpus = {"paths": [str(text)], "tokenizer": "whitespace", "deduplicate": False}
    name = "enwiki-100m-held-out"
    return word2vec_contest.prepare_snapshot(Settings(name=name, snapshot=str(harness.WORK / name), corpus=corpus))


def train_together(processes: int, snapshot: str, settings: dict[str, Any]) -> Entry:
    """Train by several fresh processes of this machine; one alone has two threads."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        ranks = [pool.submit(_train, rank, (processes, port), snapshot, settings) for rank in range(processes)]
        first, *_ = [rank.result() for rank in ranks]
        return first


def _train(rank: int, meeting: tuple[int, int], snapshot: str, values: dict[str, Any]) -> Entry:
    """Train as one of the processes, as torchrun starts them; what the first one returns counts."""
    processes, port = meeting
    launcher = {"RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in launcher.items()}, MASTER_ADDR="127.0.0.1")
    os.environ["OMP_NUM_THREADS"] = "1"
    threads = 2 if processes == 1 else 1
    from embtrain.checkpoint import Checkpoint, Position
    from embtrain.config import Settings
    from embtrain.data.corpus import Corpus
    from embtrain.data.vocabulary import Vocabulary
    from embtrain.distributed import process_group
    from embtrain.manifest import Snapshot
    from embtrain.models.build import build_model
    from embtrain.train import Training

    settings, opened = Settings(**values), Snapshot.open(snapshot)
    vocabulary = Vocabulary.read(opened)
    with process_group() as group:
        corpus = Corpus.open(settings, opened, len(vocabulary), group)
        _compile(settings)
        model = build_model(settings.model, vocabulary, threads=threads, seed=settings.train.seed, device="cpu")
        merge_words = settings.train.words_between_merges(threads)
        training = Training(
            model=model,
            source=corpus.source,
            held_out=None,
            settings=settings.train,
            learning_rate=settings.model.learning_rate,
            group=group,
            merge=model.merger(group, merge_words),
            merge_words=merge_words,
            checkpoint=Checkpoint(harness.WORK / "checkpoint", {}),
            observe=lambda _: None,
            advance=lambda _: None,
        )
        group.sum(np.zeros(1))  # all are ready
        started, cpu = time.perf_counter(), time.process_time()
        words = training.run(Position()).items
        seconds = time.perf_counter() - started
        cpu = float(group.sum(np.array([time.process_time() - cpu]))[0])
    quality = word2vec_contest.quality_of(vocabulary.tokens, model.vectors()) if group.is_first else {}
    return Entry(words / seconds, cpu, model.loss(corpus.held_out, seed=0).loss_per_pair, quality)


def _compile(settings: Any) -> None:
    """Let the kernels be compiled, or loaded: those of training and of merging."""
    import torch

    from embtrain.distributed import Group
    from embtrain.replicas import Replicas

    word2vec_contest.compile_kernels(settings, "cpu")
    Replicas(Group(), [(torch.zeros(2, 16), np.ones(2))], 1)([1], settle=True)


def main() -> None:
    """Run all sides in turn; print every figure, then the result."""
    options = arguments()
    snapshot = harness.in_fresh_process(prepare)
    entries: dict[int, list[Entry]] = {processes: [] for processes in sorted({1, 2, *options.processes})}
    for seed in range(1, options.rounds + 1):
        settings = {
            "name": "benchmark",
            "model": {"type": options.model, **SHAPE, **MODELS[options.model]},
            "train": {"epochs": options.epochs, "seed": seed, "merge_words": options.merge_words},
        }
        for processes, of_these in entries.items():
            of_these.append(train_together(processes, snapshot, settings))
            harness.say(f"round {seed}  {processes} processes  {_describe(of_these[-1])}", quiet=options.json)
    ours, peer = (statistics.median(entry.words_per_second for entry in entries[n]) for n in (2, 1))
    quality = {side: word2vec_contest.mean_quality(entries[n]) for side, n in (("ours", 2), ("peer", 1))}
    unit, peer_name = "corpus words/s", "one process of two threads"
    harness.finish(harness.Result("distributed", unit, ours, peer, peer_name, ours / peer, quality))


def _describe(entry: Entry) -> str:
    quality = "  ".join(f"{name} {value:.1f}" for name, value in entry.quality.items())
    return (
        f"{entry.words_per_second / 1e6:6.2f} M words/s  {entry.cpu_seconds:6.1f} s of CPU  {quality}  "
        f"held-out loss {entry.held_out_loss:.4f}"
    )


if __name__ == "__main__":
    main()

"""Training on a GPU against gensim on the CPU; without a GPU the same claims for the CPU's kernels.

Skip-gram, CBOW and FastText on the same text: corpus words per second once the ids are on the device, which is from the
second epoch on, and beside it that of the first, which reads them; and quality after all. gensim's FastText has one
epoch, as it takes minutes. GloVe: cells per second, beside Stanford's where GLOVE_HOME is set. Then vectors of 300
numbers for a million words, on ids drawn by Zipf's law: words per second, and bytes of rows per second beside what this
device copies. Ours come first, and each figure is printed as it is there; with ``--no-peers`` that is all: neither
gensim nor Spark is asked for, but the snapshots must be there, in build/benchmarks.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import bench_fasttext
import bench_glove
import harness
import numpy as np
from word2vec_contest import (
    CORPUS,
    CORPUS_TOKENS,
    EPOCHS,
    EVALUATION,
    NEGATIVES,
    THREADS,
    WINDOW,
    prepare,
    quality_of,
    timed_training,
    train_gensim,
)
from word2vec_contest import DIM as SMALL_DIM

MODELS = {
    "skip-gram": {"type": "sgns", "learning_rate": 0.025},
    "CBOW": {"type": "cbow", "gradient": "word2vec", "learning_rate": 0.05},
}
LARGE_DIM, LARGE_VOCABULARY, SEQUENCE_TOKENS = 300, 1_000_000, 1000
LARGE_TOKENS = {"cuda": 20_000_000, "cpu": 500_000}
COPIED_BYTES = 1 << 28


@dataclass(frozen=True)
class Entry:
    """What one side did: corpus words per second, and quality in points of 100."""

    words_per_second: float
    quality: dict[str, float]
    of_first_epoch: float | None = None
    """Ours: words per second of the epoch that reads the text."""


def main() -> None:
    """Measure every claim, print a line for each, and skip-gram's as the result."""
    no_peers = "measure embtrain alone, on the snapshots that are there: without gensim, Spark and Stanford's GloVe"
    options = harness.arguments(str(__doc__).splitlines()[0], no_peers=no_peers)
    if not options.no_peers:
        harness.require("gensim")
        harness.data_file(CORPUS)
    for evaluation_set in chain.from_iterable(EVALUATION.values()):  # rather than find out once the first is trained
        harness.data_file(evaluation_set)
    device, name = harness.in_fresh_process(device_here)
    reason = "" if device == "cuda" else ", for torch finds no GPU"
    beside = "" if options.no_peers else f"; gensim on {THREADS} CPU threads"
    harness.say(f"embtrain on {name}{reason}{beside}", quiet=options.json)
    ours = measure_ours(device, can_prepare=not options.no_peers, quiet=options.json)
    if options.no_peers:
        return
    peer = measure_peers(quiet=options.json)
    speeds = ours.words_per_second, peer.words_per_second
    unit = f"corpus words/s, ours on {name}"
    quality = {"ours": rounded(ours), "peer": rounded(peer)}
    harness.finish(
        harness.Result("gpu", unit, *speeds, "gensim corpus_file on the CPU", speeds[0] / speeds[1], quality)
    )


def measure_ours(device: str, *, can_prepare: bool, quiet: bool) -> Entry:
    """Train all models here, and print a line for each; return skip-gram's figures."""
    made = {}
    text = snapshot_at(harness.WORK / "enwiki-100m", prepare, can_prepare=can_prepare)
    for model, settings in MODELS.items():
        made[model] = harness.in_fresh_process(train_embtrain, text, settings, device)
        harness.say(f"{model:12s} embtrain  {describe(made[model])}", quiet=quiet)
    subwords = snapshot_at(harness.WORK / "enwiki-fasttext", prepare_subwords, can_prepare=can_prepare)
    fasttext = harness.in_fresh_process(train_embtrain, subwords, bench_fasttext.model_settings(), device)
    harness.say(f"{'FastText':12s} embtrain  {describe(fasttext)}", quiet=quiet)
    cells = snapshot_at(bench_glove.FOLDER / "snapshot", bench_glove.prepare, can_prepare=can_prepare)
    say_glove("embtrain", harness.in_fresh_process(bench_glove.train_embtrain, cells, 1, quiet, device), quiet=quiet)
    for model, settings in MODELS.items():
        harness.say(f"{model:12s} {harness.in_fresh_process(train_large, settings, device)}", quiet=quiet)
    return made["skip-gram"]


def measure_peers(*, quiet: bool) -> Entry:
    """Train with gensim, and Stanford's GloVe where it is, and print a line for each; return skip-gram's figures."""
    made = {}
    for model, settings in MODELS.items():
        peer = harness.in_fresh_process(train_gensim, settings, 1)
        made[model] = Entry(peer.words_per_second, peer.quality)
        harness.say(f"{model:12s} gensim    {describe(made[model])}", quiet=quiet)
    peer = harness.in_fresh_process(bench_fasttext.train_gensim, 1)
    harness.say(f"{'FastText':12s} gensim    {describe(Entry(peer.words_per_second, peer.quality))}", quiet=quiet)
    if os.environ.get("GLOVE_HOME"):
        program = harness.glove_program("glove")
        harness.in_fresh_process(bench_glove.write_for_stanford, str(bench_glove.FOLDER / "snapshot"))
        say_glove("Stanford", bench_glove.train_stanford(program, 1), quiet=quiet)
    return made["skip-gram"]


def snapshot_at(folder: Path, prepare: Callable[[], str], *, can_prepare: bool) -> str:
    """Return the snapshot in a folder, which is prepared first if it may be; else it must be there."""
    if can_prepare:
        folder.parent.mkdir(parents=True, exist_ok=True)
        return str(harness.in_fresh_process(prepare))
    if not folder.exists():
        sys.exit(f"with --no-peers the snapshot {folder} must be there: copy it from a machine that has prepared it")
    return str(folder)


def prepare_subwords() -> str:
    """Return the snapshot that FastText trains on."""
    return bench_fasttext.prepare("enwiki-fasttext", harness.data_file(CORPUS))


def say_glove(side: str, entry: bench_glove.Entry, *, quiet: bool) -> None:
    """Print the cells per second of the median iteration after the first."""
    speed = entry.cells / statistics.median(entry.seconds[1:])
    harness.say(f"{'GloVe':12s} {side:9s} {speed / 1e6:8.2f} M cells/s  {bench_glove.describe(entry)}", quiet=quiet)


def device_here() -> tuple[str, str]:
    """Return which device is measured, and what it is called."""
    import torch

    if torch.cuda.is_available():
        return "cuda", torch.cuda.get_device_name()
    return "cpu", f"{THREADS} CPU threads"


def train_embtrain(snapshot: str, model: dict[str, Any], device: str) -> Entry:
    """Train here; the speed is that of the epochs after the first, which reads the snapshot."""
    shape = {"dim": SMALL_DIM, "window": WINDOW, "num_negatives": NEGATIVES}
    ends: list[float] = []
    done = timed_training(
        snapshot,
        model | shape,
        seed=1,
        device=device,
        observe=lambda report: ends.append(time.perf_counter()) if report.epoch else None,
    )
    later = ends[EPOCHS - 1] - ends[0]
    return Entry(
        (EPOCHS - 1) * CORPUS_TOKENS / later,
        quality_of(done.vocabulary.tokens, done.model.vectors()),
        CORPUS_TOKENS / (done.seconds - later),
    )


def train_large(model: dict[str, Any], device: str) -> str:
    """Train on ids drawn by Zipf's law, the second time timed; return the figures for a reader."""
    from embtrain.config import Settings
    from embtrain.models.build import build_model
    from embtrain.models.protocol import DeviceModel

    shape = {"dim": LARGE_DIM, "window": WINDOW, "num_negatives": NEGATIVES}
    settings = Settings(name="benchmark", model={**model, **shape})
    vocabulary, block = zipf_text(LARGE_TOKENS[device])
    trained = build_model(settings.model, vocabulary, threads=THREADS, seed=1, device=device)
    if isinstance(trained, DeviceModel):
        block = trained.upload(block)
    seconds = 0.0
    for seed in (1, 2):
        started = time.perf_counter()
        list(trained.train(block, lambda _: model["learning_rate"], seed))
        seconds = time.perf_counter() - started
    words_per_second = LARGE_TOKENS[device] / seconds
    text = f"dim {LARGE_DIM}, {LARGE_VOCABULARY:,} words: {words_per_second / 1e6:.2f} M words/s"
    if device == "cpu":
        return text
    kept = float(vocabulary.keep_probability @ vocabulary.counts / vocabulary.counts.sum())
    moved = words_per_second * kept * bytes_per_center(trained.input_rows.shape[1])
    copied = copy_bandwidth()
    return (
        f"{text}; rows {moved / 1e12:.2f} TB/s, the device copies {copied / 1e12:.2f} TB/s: {moved / copied:.2f} of it"
    )


def zipf_text(num_tokens: int) -> tuple[Any, Any]:
    """Return a vocabulary with word2vec's probabilities, and sequences of ids drawn by its counts."""
    from embtrain.data.sequences import Block
    from embtrain.data.vocabulary import Vocabulary

    shares = 1 / (np.arange(LARGE_VOCABULARY) + 2.7)
    shares /= shares.sum()
    counts = np.maximum(1, shares * 1e9).astype(np.int64)
    keep = np.minimum(1, np.sqrt(1e-4 / shares) + 1e-4 / shares)
    negative = counts**0.75 / (counts**0.75).sum()
    random = np.random.default_rng(1)
    ids = np.searchsorted(shares.cumsum()[:-1], random.random(num_tokens)).astype(np.int32)
    offsets = np.arange(0, num_tokens + 1, SEQUENCE_TOKENS, dtype=np.int64)
    return Vocabulary([""] * LARGE_VOCABULARY, counts, keep, negative), Block(ids, offsets)


def bytes_per_center(stride: int) -> float:
    """Return the bytes of rows that a tile reads and writes at least once each, for one of its centers."""
    from embtrain.models.gpu.flight import CENTERS
    from embtrain.models.gpu.flight import NEGATIVES as TILE_NEGATIVES

    rows = (CENTERS + 2 * WINDOW) + CENTERS + TILE_NEGATIVES
    return 2 * rows * stride * 4 / CENTERS


def copy_bandwidth() -> float:
    """Return the bytes per second that are read and written when a tensor is copied on the device."""
    import torch

    source = torch.zeros(COPIED_BYTES, dtype=torch.uint8, device="cuda")
    target, times = torch.empty_like(source), []
    for _ in range(10):
        torch.cuda.synchronize()
        started = time.perf_counter()
        target.copy_(source)
        torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return 2 * COPIED_BYTES / min(times)


def describe(entry: Entry) -> str:
    """Return an entry for a reader."""
    quality = "  ".join(f"{name} {value:.1f}" for name, value in entry.quality.items())
    first = f" (first epoch {entry.of_first_epoch / 1e6:.2f})" if entry.of_first_epoch else ""
    return f"{entry.words_per_second / 1e6:8.2f} M words/s{first}  {quality}"


def rounded(entry: Entry) -> dict[str, float]:
    """Return the quality as the result has it."""
    return {name: round(value, 1) for name, value in entry.quality.items()}


if __name__ == "__main__":
    main()

"""Training on a GPU against gensim on the CPU; without a GPU the same claims for the CPU's kernels.

Skip-gram, CBOW and FastText on the same text, in turn: corpus words per second once the ids are on the device, which is
from the second epoch on, and quality after all; gensim's FastText has one epoch, as it takes minutes. GloVe: cells per
second, beside Stanford's where GLOVE_HOME is set. Then vectors of 300 numbers for a million words, on ids drawn by
Zipf's law: words per second, and bytes of rows per second beside what this device copies.
"""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import dataclass
from typing import Any

import bench_fasttext
import bench_glove
import harness
import numpy as np
from word2vec_contest import (
    CORPUS,
    CORPUS_TOKENS,
    EPOCHS,
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
    """What one side did: corpus words per second, and quality in points of 100 where it was measured."""

    words_per_second: float
    quality: dict[str, float]


def main() -> None:
    """Measure every claim, print a line for each, and skip-gram's as the result."""
    options = harness.arguments(str(__doc__).splitlines()[0])
    harness.require("gensim")
    harness.data_file(CORPUS)
    device, name = harness.in_fresh_process(device_here)
    harness.say(
        f"embtrain on {name}{'' if device == 'cuda' else ', for torch finds no GPU'}; gensim on {THREADS} CPU threads",
        quiet=options.json,
    )
    snapshot = harness.in_fresh_process(prepare)
    results: dict[str, dict[str, Entry]] = {}
    for model, settings in MODELS.items():
        peer = harness.in_fresh_process(train_gensim, settings, 1)
        ours = harness.in_fresh_process(train_embtrain, snapshot, settings, device)
        results[model] = {"gensim": Entry(peer.words_per_second, peer.quality), "embtrain": ours}
        say_both(model, results[model], quiet=options.json)
    say_both("FastText", train_fasttext(device), quiet=options.json)
    say_glove(device, quiet=options.json)
    for model, settings in MODELS.items():
        harness.say(f"{model:12s} {harness.in_fresh_process(train_large, settings, device)}", quiet=options.json)
    ours, peer = results["skip-gram"]["embtrain"], results["skip-gram"]["gensim"]
    quality = {"ours": rounded(ours), "peer": rounded(peer)}
    speeds = ours.words_per_second, peer.words_per_second
    unit = f"corpus words/s, ours on {name}"
    harness.finish(
        harness.Result("gpu", unit, *speeds, "gensim corpus_file on the CPU", speeds[0] / speeds[1], quality)
    )


def say_both(model: str, entries: dict[str, Entry], *, quiet: bool) -> None:
    """Print a line for each side."""
    for side, entry in entries.items():
        harness.say(f"{model:12s} {side:9s} {describe(entry)}", quiet=quiet)


def train_fasttext(device: str) -> dict[str, Entry]:
    """Train FastText on both sides, as bench_fasttext.py does."""
    snapshot = harness.in_fresh_process(bench_fasttext.prepare, "enwiki-fasttext", harness.data_file(CORPUS))
    peer = harness.in_fresh_process(bench_fasttext.train_gensim, 1)
    ours = harness.in_fresh_process(train_embtrain, snapshot, bench_fasttext.model_settings(), device)
    return {"gensim": Entry(peer.words_per_second, peer.quality), "embtrain": ours}


def say_glove(device: str, *, quiet: bool) -> None:
    """Train GloVe as bench_glove.py does, and print the cells per second of the median iteration after the first."""
    bench_glove.FOLDER.mkdir(parents=True, exist_ok=True)
    snapshot = harness.in_fresh_process(bench_glove.prepare)
    cells = harness.in_fresh_process(bench_glove.write_for_stanford, snapshot)
    entries = {"embtrain": harness.in_fresh_process(bench_glove.train_embtrain, snapshot, 1, quiet, device)}
    if os.environ.get("GLOVE_HOME"):
        entries["Stanford"] = bench_glove.train_stanford(harness.glove_program("glove"), 1)
    for side, entry in entries.items():
        speed = cells / statistics.median(entry.seconds[1:])
        harness.say(f"{'GloVe':12s} {side:9s} {speed / 1e6:8.2f} M cells/s  {bench_glove.describe(entry)}", quiet=quiet)


def device_here() -> tuple[str, str]:
    """Return which device is measured, and what it is called."""
    import torch

    if torch.cuda.is_available():
        return "cuda", torch.cuda.get_device_name()
    return "cpu", f"{THREADS} CPU threads"


def train_embtrain(snapshot: str, model: dict[str, Any], device: str) -> Entry:
    """Train here; the first epoch, which reads the snapshot, counts for the quality alone."""
    shape = {"dim": SMALL_DIM, "window": WINDOW, "num_negatives": NEGATIVES}
    ends: list[float] = []
    done = timed_training(
        snapshot,
        model | shape,
        seed=1,
        device=device,
        observe=lambda report: ends.append(time.perf_counter()) if report.epoch else None,
    )
    words_per_second = (EPOCHS - 1) * CORPUS_TOKENS / (ends[EPOCHS - 1] - ends[0])
    return Entry(words_per_second, quality_of(done.vocabulary.tokens, done.model.vectors()))


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
    return f"{entry.words_per_second / 1e6:8.2f} M words/s  {quality}"


def rounded(entry: Entry) -> dict[str, float]:
    """Return the quality as the result has it."""
    return {name: round(value, 1) for name, value in entry.quality.items()}


if __name__ == "__main__":
    main()

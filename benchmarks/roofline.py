"""How near the kernels come to what memory and arithmetic allow, and how that changes with the vocabulary.

::

    python benchmarks/roofline.py --save benchmarks/results/roofline.json

Measures both ceilings, a copy of arrays larger than any cache and a product of matrices, and then each kernel on
synthetic text whose words follow Zipf's law. All of it runs on one thread and is timed by the CPU time of this process,
so that other work on the machine disturbs it little; two cores share the memory, but not the arithmetic. What a kernel
computes and moves is counted on paper, by :mod:`embtrain.planning.work`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import harness
import numpy as np
from threadpoolctl import threadpool_limits

from embtrain.config import CbowSettings, FastTextSettings, GloveSettings, SgnsSettings
from embtrain.data.sequences import Block
from embtrain.data.subwords import SubwordTable
from embtrain.data.tiles import SIDE_BITS, CellBlock, CellPiece
from embtrain.data.vocabulary import Vocabulary
from embtrain.models.build import build_model
from embtrain.planning.work import H200, Ceilings, ShallowModel, work_of_cell_on_gpu, work_on_gpu, work_per_item

VOCABULARY = 67_890
VOCABULARIES = (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000)
SWEPT = ("skip-gram 100", "CBOW 100")
WORDS, SENTENCE = 1_000_000, 1_000
SUBSAMPLE, EXPONENT = 1e-4, 0.75
NGRAMS, BUCKETS = 14, 300_000
TILES, CELLS_PER_TILE = 4_000, 2_600
ROUNDS = 3
WANTED = {"skip-gram": 56e6, "CBOW": 112e6}
"""Kept words a second on a GPU: of 100 and 200 million of a text subsampling keeps 56 %."""


@dataclass(frozen=True)
class Point:
    """A kernel, measured."""

    kernel: str
    dim: int
    vocabulary: int
    items_per_second: float
    """Kept words, or cells, per second of CPU time."""
    flops: float
    bytes: float
    """Of an item, on paper."""
    share: float
    """Of the speed that the nearer ceiling allows."""


def main() -> None:
    """Measure, print the table, and save what was measured where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print nothing but the JSON at the end")
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the JSON there, for docs/draw_scaling.py")
    options = parser.parse_args()
    with threadpool_limits(1):
        ceilings = Ceilings(copy_bandwidth(), sgemm_speed())
    say = _printer(quiet=options.json)
    bandwidth, arithmetic = ceilings.bytes_per_second / 1e9, ceilings.flops_per_second / 1e9
    say(f"one thread: copy {bandwidth:.1f} GB/s, sgemm {arithmetic:.0f} GFLOP/s")
    kernels = [measured(name, model, VOCABULARY, ceilings, say) for name, model in models().items()]
    sweep = [measured(name, models()[name], size, ceilings, say) for size in VOCABULARIES for name in SWEPT]
    on_paper(say)
    result = {
        "ceilings": ceilings._asdict(),
        "kernels": [asdict(point) for point in kernels],
        "vocabularies": [asdict(point) for point in sweep],
        "fits": {name: fit([point for point in sweep if point.kernel == name][:-1]) for name in SWEPT},
        "machine": harness.machine(),
        "date": date.today().isoformat(),  # noqa: DTZ011 - the day where the machine stands
        "commit": harness.commit(),
    }
    if options.save:
        options.save.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(json.dumps(result))


def copy_bandwidth() -> float:
    """Copy 256 MB, larger than any cache, from one array to another (STREAM's Copy); return bytes read and written."""
    source, target = np.ones(1 << 26, np.float32), np.zeros(1 << 26, np.float32)
    return 2 * source.nbytes / _seconds(lambda: np.copyto(target, source))


def sgemm_speed() -> float:
    """Multiply square matrices of float32; return FLOPs per second."""
    side = 2048
    matrix = np.random.default_rng(0).random((side, side), np.float32)
    product = np.empty_like(matrix)
    return 2 * side**3 / _seconds(lambda: np.matmul(matrix, matrix, out=product))


def models() -> dict[str, ShallowModel]:
    """Return what is measured, by name."""
    return {
        "skip-gram 100": SgnsSettings(dim=100),
        "skip-gram 300": SgnsSettings(dim=300),
        "CBOW 100": CbowSettings(dim=100),
        "CBOW 300": CbowSettings(dim=300),
        "FastText 100": FastTextSettings(dim=100),
        "GloVe 100": GloveSettings(dim=100),
        "GloVe 300": GloveSettings(dim=300),
    }


def measured(name: str, model: ShallowModel, vocab_size: int, ceilings: Ceilings, say: Callable[[str], None]) -> Point:
    """Time a kernel on synthetic data, and hold it against both ceilings."""
    work = work_per_item(model, ngrams_per_word=NGRAMS, cells_per_tile=CELLS_PER_TILE)
    rate = _time_cells(model) if isinstance(model, GloveSettings) else _time_words(model, vocab_size)
    share = rate * work.seconds(ceilings)
    say(
        f"{name:14} {vocab_size:10,} words  {rate / 1e6:7.2f} M/s  {rate * work.flops / 1e9:6.1f} GFLOP/s  "
        f"{rate * work.bytes / 1e9:6.1f} GB/s  {work.bound(ceilings):10}  {100 * share:3.0f} % of the bound"
    )
    return Point(name, model.dim, vocab_size, rate, work.flops, work.bytes, share)


def fit(points: list[Point]) -> tuple[float, float]:
    """Return what a kept word costs, in nanoseconds, at a vocabulary of one, and what each tenfold adds."""
    sizes, costs = zip(*((point.vocabulary, 1e9 / point.items_per_second) for point in points), strict=True)
    slope, intercept = np.polyfit(np.log10(sizes), costs, 1)
    return round(float(intercept)), round(float(slope))


def on_paper(say: Callable[[str], None]) -> None:
    """Say what an NVIDIA H200 would allow the kernels for GPUs; none was there to measure."""
    from embtrain.models.gpu.flight import CELLS, CENTERS, NEGATIVES, WORDS_PER_CENTER

    for name, model in models().items():
        if isinstance(model, GloveSettings):
            work, item = work_of_cell_on_gpu(model, cells=CELLS), "cell"
        else:
            work = work_on_gpu(model, centers=CENTERS, negatives=NEGATIVES, ngrams_per_word=NGRAMS)
            item = "kept word"
        say(
            f"{name:14} on paper, H200: {work.bytes:,.0f} bytes and {work.flops:,.0f} FLOP a {item}, "
            f"{1e-6 / work.seconds(H200):,.0f} M/s by {work.bound(H200)}"
        )
    programs = VOCABULARY // (WORDS_PER_CENTER * CENTERS)
    for name, rate in WANTED.items():
        microseconds = 1e6 * programs * CENTERS / rate
        say(f"{name:14} {rate / 1e6:.0f} M kept words/s by {programs} programs: {microseconds:.1f} µs for a tile")


def _time_words(model: Any, vocab_size: int) -> float:
    """Return the kept words that a thread trains on per second."""
    random = np.random.default_rng(0)
    vocabulary = zipf_vocabulary(vocab_size)
    subwords = _subwords(vocab_size, random) if isinstance(model, FastTextSettings) else None
    trained = build_model(model, vocabulary, threads=1, seed=1, device="cpu", subwords=subwords)
    blocks = [_text(vocabulary, random) for _ in range(2)]
    kept = sum(float(vocabulary.keep_probability[block.ids].sum()) for block in blocks)

    def train() -> None:
        for block in blocks:
            list(trained.train(block, lambda _: model.learning_rate, 1))

    return kept / _seconds(train)


def _time_cells(model: GloveSettings) -> float:
    """Return the cells that a thread trains on per second: tiles in random order, their cells anywhere within."""
    random = np.random.default_rng(0)
    side = int(TILES**0.5) + 1
    tiles = random.permutation(side * side)[:TILES]
    rows, columns = np.divmod(tiles, side)
    first = np.arange(TILES) * CELLS_PER_TILE
    segments = np.stack([first, first + CELLS_PER_TILE, rows << SIDE_BITS, columns << SIDE_BITS], axis=1)
    cells = TILES * CELLS_PER_TILE
    places = random.integers(0, 1 << SIDE_BITS, (2, cells + 16), np.uint32)
    log_counts = random.standard_normal(cells + 16).astype(np.float32)
    block = CellBlock(CellPiece(segments, 0), places[0] | places[1] << np.uint32(16), log_counts)
    trained = build_model(model, zipf_vocabulary(side << SIDE_BITS), threads=1, seed=1, device="cpu")
    return cells / _seconds(lambda: list(trained.train(block, lambda _: model.learning_rate, 1)))


def zipf_vocabulary(vocab_size: int) -> Vocabulary:
    """Return a vocabulary whose words have no names, and counts that follow Zipf's law."""
    share = 1 / np.arange(1, vocab_size + 1)
    share /= share.sum()
    keep = np.minimum(1, np.sqrt(SUBSAMPLE / share) + SUBSAMPLE / share)
    negative = share**EXPONENT
    counts = np.maximum(1, share * 100 * WORDS).astype(np.int64)
    return Vocabulary([""] * vocab_size, counts, keep, negative / negative.sum())


def _text(vocabulary: Vocabulary, random: np.random.Generator) -> Block:
    """Draw a row group of words by Zipf's law."""
    edges = np.cumsum(1 / np.arange(1, len(vocabulary) + 1))
    ids = np.searchsorted(edges, random.random(WORDS) * edges[-1]).astype(np.int32)
    return Block(
        np.minimum(ids, len(vocabulary) - 1).astype(np.int32), np.arange(0, WORDS + 1, SENTENCE, dtype=np.int64)
    )


def _subwords(vocab_size: int, random: np.random.Generator) -> SubwordTable:
    """Give each word as many n-grams as words of a text have."""
    buckets = random.integers(0, BUCKETS, vocab_size * NGRAMS, np.int32)
    return SubwordTable(np.arange(vocab_size + 1) * NGRAMS, buckets, {"min_n": 3, "max_n": 6, "buckets": BUCKETS})


def _seconds(work: Callable[[], Any]) -> float:
    """Return the least CPU time of some rounds, after one that compiles and touches everything."""
    work()
    times = []
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)


def _printer(*, quiet: bool) -> Callable[[str], None]:
    return lambda text: harness.say(text, quiet=quiet)


if __name__ == "__main__":
    main()

"""Skip-gram and CBOW against gensim: the same text, settings and threads, in turn, each in a fresh process.

Time is that of training alone: neither side's includes reading the vocabulary; ours includes reading the
snapshot's row groups, gensim's reading its corpus file. Kernels are compiled, and on neither side is that timed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import harness
import numpy as np

THREADS, EPOCHS, DIM, WINDOW, NEGATIVES, MIN_COUNT, SAMPLE = 2, 5, 100, 5, 5, 5, 1e-4
CORPUS, CORPUS_TOKENS = "corpora/enwiki-100m.txt.gz", 16_938_139
EVALUATION = {
    "similarity": ["eval/en/EN-WS-353-ALL.txt", "eval/en/EN-SIMLEX-999.txt"],
    "analogy": ["eval/en/questions-words.txt"],
}


@dataclass(frozen=True)
class Entry:
    """What one side did: corpus words per second, quality in points of 100, peak memory of training in bytes."""

    words_per_second: float
    quality: dict[str, float]
    memory: float


def contest(
    name: str, model: dict[str, Any], *, rounds: int, quiet: bool, beside: dict[str, dict[str, Any]] | None = None
) -> None:
    """Run both sides ``rounds`` times, print every figure and the result.

    Args:
        name: of the benchmark.
        model: settings of embtrain's model; gensim gets the same.
        rounds: each with another seed.
        quiet: print the JSON alone.
        beside: further settings of embtrain's model by name, whose figures are printed too.
    """
    harness.require("gensim")
    harness.data_file(CORPUS)
    snapshot = harness.in_fresh_process(prepare)
    entries: dict[str, list[Entry]] = {"gensim": [], "embtrain": []}
    for seed in range(1, rounds + 1):
        entries["gensim"].append(harness.in_fresh_process(train_gensim, model, seed))
        entries["embtrain"].append(harness.in_fresh_process(train_embtrain, snapshot, model, seed))
        for side, settings in (beside or {}).items():
            entries.setdefault(side, []).append(harness.in_fresh_process(train_embtrain, snapshot, settings, seed))
        for side, latest in entries.items():
            harness.say(f"round {seed}  {side:18s} {_describe(latest[-1])}", quiet=quiet)
    ours, peer = (statistics.median(e.words_per_second for e in entries[side]) for side in ("embtrain", "gensim"))
    quality = {"ours": mean_quality(entries["embtrain"]), "peer": mean_quality(entries["gensim"])}
    for side, of_side in entries.items():
        harness.say(f"mean of {rounds}  {side:18s} {mean_quality(of_side)}", quiet=quiet)
    unit = "corpus words/s"
    harness.finish(harness.Result(name, unit, ours, peer, "gensim corpus_file", ours / peer, quality))


def prepare() -> str:
    """Return the snapshot of the corpus; Spark makes it the first time."""
    return prepare_text("enwiki-100m", harness.data_file(CORPUS))


def prepare_text(name: str, text: Path, **sections: Any) -> str:
    """Return the snapshot of a text that is tokenised already; Spark makes it the first time."""
    from embtrain.config import Settings

    # All sentences are for training, and none is dropped as a duplicate: the peers get just the same.
    corpus = {"paths": [str(text)], "tokenizer": "whitespace", "held_out": 0, "deduplicate": False}
    return prepare_snapshot(Settings(name=name, snapshot=str(harness.WORK / name), corpus=corpus, **sections))


def prepare_snapshot(settings: Any) -> str:
    """Make the tables that are not there yet; return where they are."""
    from pipelines.prepare import prepare
    from pipelines.session import spark_session

    with spark_session(settings.spark, app="benchmark") as spark:
        prepare(spark, settings)
    return str(settings.snapshot_location)


@dataclass(frozen=True)
class Trained:
    """A model of embtrain's, trained: seconds of the training alone, and the bytes that the process grew by."""

    vocabulary: Any
    model: Any
    seconds: float
    memory: float


def train_embtrain(snapshot: str, model: dict[str, Any], seed: int) -> Entry:
    """Train here; memory is what the process grows by once imports and kernels are there."""
    shape = {"dim": DIM, "window": WINDOW, **({} if on_paths(model) else {"num_negatives": NEGATIVES})}
    done = timed_training(snapshot, {**model, **shape}, seed)
    return Entry(
        EPOCHS * CORPUS_TOKENS / done.seconds, quality_of(done.vocabulary.tokens, done.model.vectors()), done.memory
    )


def timed_training(
    snapshot: str,
    model: dict[str, Any],
    seed: int,
    *,
    epochs: int = EPOCHS,
    device: str = "cpu",
    observe: Callable[[Any], None] = lambda _: None,
) -> Trained:
    """Train on a snapshot of sequences, without held-out text, MLflow or checkpoints along the way."""
    from embtrain.checkpoint import Checkpoint, Position
    from embtrain.config import Settings, TrainSettings
    from embtrain.data.corpus import Corpus
    from embtrain.data.vocabulary import Vocabulary
    from embtrain.distributed import Group
    from embtrain.manifest import Snapshot
    from embtrain.models.build import build_model, on_device
    from embtrain.train import Training

    settings = Settings(name="benchmark", model=model, train=TrainSettings(epochs=epochs, seed=seed))
    opened = Snapshot.open(snapshot)
    vocabulary = Vocabulary.read(opened)
    corpus = Corpus.open(settings, opened, len(vocabulary), Group())
    compile_kernels(settings, device)
    with harness.peak_memory() as grown:
        trained = build_model(
            settings.model, vocabulary, threads=THREADS, seed=seed, device=device, subwords=corpus.subwords
        )
        training = Training(
            model=trained,
            source=on_device(corpus.source, trained),
            held_out=None,
            settings=settings.train,
            learning_rate=settings.model.learning_rate,
            group=Group(),
            checkpoint=Checkpoint(harness.WORK / "checkpoint", {}),
            observe=observe,
            advance=lambda _: None,
        )
        started = time.perf_counter()
        training.run(Position())
        seconds = time.perf_counter() - started
        return Trained(vocabulary, trained, seconds, grown())


def train_gensim(model: dict[str, Any], seed: int) -> Entry:
    """Train with gensim from a plain file, its fastest way."""
    from gensim.models import Word2Vec

    plain = harness.plain_text(CORPUS)
    peer = Word2Vec(
        vector_size=DIM,
        window=WINDOW,
        hs=int(on_paths(model)),
        negative=0 if on_paths(model) else NEGATIVES,
        sample=SAMPLE,
        min_count=MIN_COUNT,
        alpha=model["learning_rate"],
        workers=THREADS,
        sg=int(model["type"] == "sgns"),
        seed=seed,
    )
    peer.build_vocab(corpus_file=str(plain))
    with harness.peak_memory() as grown:
        started = time.perf_counter()
        peer.train(
            corpus_file=str(plain), total_words=peer.corpus_total_words, total_examples=peer.corpus_count, epochs=EPOCHS
        )
        seconds = time.perf_counter() - started
        # The matrices were there before the training; ours are counted, so its are too.
        output = peer.syn1 if on_paths(model) else peer.syn1neg
        memory = grown() + peer.wv.vectors.nbytes + output.nbytes
    return Entry(EPOCHS * CORPUS_TOKENS / seconds, quality_of(peer.wv.index_to_key, peer.wv.vectors), memory)


def on_paths(model: dict[str, Any]) -> bool:
    """Tell whether a model's objective is the hierarchical softmax, and not negative sampling."""
    return bool(model.get("objective") == "hierarchical_softmax")


def compile_kernels(settings: Any, device: str) -> None:
    """Let the kernels be compiled, or loaded, on two words."""
    from embtrain.data.sequences import Block
    from embtrain.data.subwords import SubwordTable
    from embtrain.data.vocabulary import Vocabulary
    from embtrain.models.build import build_model
    from embtrain.models.protocol import DeviceModel

    toy = Vocabulary(["a", "b"], np.array([1, 1]), np.ones(2), np.full(2, 0.5))
    ngrams = {"min_n": 3, "max_n": 6, "buckets": 2}
    subwords = SubwordTable(np.arange(3), np.array([0, 1], np.int32), ngrams)
    block = Block(np.array([0, 1], np.int32), np.array([0, 2], np.int64))
    model = build_model(settings.model, toy, threads=THREADS, seed=1, device=device, subwords=subwords)
    list(model.train(model.upload(block) if isinstance(model, DeviceModel) else block, lambda _: 0.1, 1))


def quality_of(words: list[str], matrix: np.ndarray) -> dict[str, float]:
    """Measure vectors on the evaluation sets, in points of 100."""
    from embtrain.config import EvaluateSettings
    from embtrain.evaluation import evaluate
    from embtrain.vectors import Vectors

    files = {kind: [str(harness.data_file(name)) for name in names] for kind, names in EVALUATION.items()}
    metrics = evaluate(Vectors(words, matrix), EvaluateSettings(**files)).metrics()
    wanted = ("similarity/EN-WS-353-ALL", "similarity/EN-SIMLEX-999", "analogy/questions-words")
    return {name.split("/")[1]: 100 * metrics[name] for name in wanted}


def mean_quality(entries: list[Any]) -> dict[str, float]:
    """Return the mean over entries that have a quality each, rounded to what its noise leaves."""
    return {name: round(statistics.mean(e.quality[name] for e in entries), 1) for name in entries[0].quality}


def _describe(entry: Entry) -> str:
    matrices = 2 * DIM * 4 * 67_890
    quality = "  ".join(f"{name} {value:.1f}" for name, value in entry.quality.items())
    return (
        f"{entry.words_per_second / 1e6:6.2f} M words/s  {quality}  "
        f"memory {entry.memory / 1e6:.0f} MB ({entry.memory / matrices:.2f} x both matrices)"
    )

"""FastText's skip-gram against Facebook's program (the package ``fasttext``) and gensim, in turn, in fresh processes.

Time is that of training alone: what Facebook's program does before its first epoch, reading the vocabulary and making
its matrix, is measured by a run without an epoch and left out. The ratio is to the faster of the two. gensim trains for
one epoch; Facebook's program, whose quality is the one to reach, for five, as we do. Each has the learning rate that is
its default.

Words never seen: all words of both similarity sets are taken out of a quarter of the text, both sides train on that,
and the sets are scored by the vectors that n-grams give these words.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import harness
import numpy as np
from word2vec_contest import (
    CORPUS,
    CORPUS_TOKENS,
    DIM,
    EPOCHS,
    EVALUATION,
    MIN_COUNT,
    NEGATIVES,
    SAMPLE,
    THREADS,
    WINDOW,
    mean_quality,
    prepare_text,
    quality_of,
    timed_training,
)

RATE, SHORTEST, LONGEST, BUCKETS = 0.05, 3, 6, 2_000_000
UNSEEN_LINES = 4235
"""A quarter of the text."""


@dataclass(frozen=True)
class Entry:
    """What one side did: corpus words per second, quality in points of 100, peak memory of training in bytes."""

    words_per_second: float
    quality: dict[str, float]
    memory: float


def main() -> None:
    """Run all sides, print every figure and the result."""
    options = harness.arguments(str(__doc__).splitlines()[0], rounds=1)
    for package in ("fasttext", "gensim"):
        harness.require(package)
    snapshot = harness.in_fresh_process(prepare, "enwiki-fasttext", harness.data_file(CORPUS))
    without = harness.in_fresh_process(prepare, "enwiki-unseen", text_without())
    entries: dict[str, list[Entry]] = {"Facebook": [], "gensim, one epoch": [], "embtrain": []}
    for seed in range(1, options.rounds + 1):
        for side, latest in (
            ("Facebook", harness.in_fresh_process(train_facebook)),
            ("gensim, one epoch", harness.in_fresh_process(train_gensim, seed)),
            ("embtrain", harness.in_fresh_process(train_embtrain, snapshot, seed)),
        ):
            entries[side].append(latest)
            harness.say(f"round {seed}  {side:18s} {describe(latest)}", quiet=options.json)
    unseen = {
        "ours": harness.in_fresh_process(unseen_by_embtrain, without),
        "peer": harness.in_fresh_process(unseen_by_facebook),
    }
    harness.say(f"words never seen: {unseen}", quiet=options.json)
    speeds = {side: float(np.median([e.words_per_second for e in of_side])) for side, of_side in entries.items()}
    ours, memory = speeds.pop("embtrain"), {side: of_side[0].memory for side, of_side in entries.items()}
    faster = max(speeds, key=lambda side: speeds[side])
    harness.say(f"memory, of Facebook's: {memory['embtrain'] / memory['Facebook']:.2f}", quiet=options.json)
    quality = {
        "ours": {**mean_quality(entries["embtrain"]), **unseen["ours"]},
        "peer": {**mean_quality(entries["Facebook"]), **unseen["peer"]},
    }
    peer_name = f"{faster}; quality: Facebook's fastText"
    unit = "corpus words/s"
    harness.finish(harness.Result("fasttext", unit, ours, speeds[faster], peer_name, ours / speeds[faster], quality))


def prepare(name: str, text: Path) -> str:
    """Return the snapshot of a text, with n-grams and with the negatives of Facebook's program."""
    return prepare_text(name, text, tables=["subwords"], unigram={"negative_exponent": 0.5})


def describe(entry: Entry) -> str:
    """Return an entry for a reader."""
    quality = "  ".join(f"{name} {value:.1f}" for name, value in entry.quality.items())
    return f"{entry.words_per_second / 1e6:6.2f} M words/s  {quality}  memory {entry.memory / 1e6:.0f} MB"


def train_embtrain(snapshot: str, seed: int) -> Entry:
    """Train here."""
    done = timed_training(snapshot, model_settings(), seed)
    quality = quality_of(done.vocabulary.tokens, done.model.vectors())
    return Entry(EPOCHS * CORPUS_TOKENS / done.seconds, quality, done.memory)


def model_settings() -> dict[str, Any]:
    """Return the model's settings; those of its n-grams are the defaults, and Facebook's."""
    return {"type": "fasttext", "dim": DIM, "window": WINDOW, "num_negatives": NEGATIVES}


def train_facebook() -> Entry:
    """Train with Facebook's program; it takes no seed, and two threads never do the same twice."""
    plain = harness.plain_text(CORPUS)
    preparing = timed(lambda: run_facebook(plain, epochs=0))
    trained: list[Any] = []
    with harness.peak_memory() as grown:
        seconds = timed(lambda: trained.append(run_facebook(plain, epochs=EPOCHS))) - preparing
        memory = grown()
    (model,) = trained
    words = model.get_words()
    matrix = np.stack([model.get_word_vector(word) for word in words])
    return Entry(EPOCHS * CORPUS_TOKENS / seconds, quality_of(words, matrix), memory)


def run_facebook(plain: Path, *, epochs: int) -> Any:
    """Return what Facebook's program makes of a text."""
    import fasttext

    return fasttext.train_unsupervised(
        str(plain),
        model="skipgram",
        dim=DIM,
        ws=WINDOW,
        neg=NEGATIVES,
        t=SAMPLE,
        minCount=MIN_COUNT,
        minn=SHORTEST,
        maxn=LONGEST,
        bucket=BUCKETS,
        lr=RATE,
        epoch=epochs,
        thread=THREADS,
        verbose=0,
    )


def train_gensim(seed: int) -> Entry:
    """Train for an epoch with gensim from a plain file, its fastest way."""
    from gensim.models import FastText

    plain = harness.plain_text(CORPUS)
    shape = {"vector_size": DIM, "window": WINDOW, "negative": NEGATIVES, "sample": SAMPLE, "min_count": MIN_COUNT}
    ngrams = {"min_n": SHORTEST, "max_n": LONGEST, "bucket": BUCKETS}
    with harness.peak_memory() as grown:
        peer = FastText(sg=1, alpha=RATE, workers=THREADS, seed=seed, **shape, **ngrams)
        peer.build_vocab(corpus_file=str(plain))
        sizes = {"total_words": peer.corpus_total_words, "total_examples": peer.corpus_count}
        seconds = timed(lambda: peer.train(corpus_file=str(plain), epochs=1, **sizes))
        memory = grown()
    return Entry(CORPUS_TOKENS / seconds, quality_of(peer.wv.index_to_key, peer.wv.vectors), memory)


def timed(work: Callable[[], Any]) -> float:
    """Return the seconds that a piece of work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def unseen_words() -> list[str]:
    """Return the words of both similarity sets, in lower case."""
    from embtrain.evaluation.similarity import read_pairs

    pairs = [pair for name in EVALUATION["similarity"] for pair in read_pairs(harness.data_file(name))]
    return sorted({word.lower() for first, second, _ in pairs for word in (first, second)})


def text_without() -> Path:
    """Return a quarter of the text without these words."""
    path = harness.WORK / "enwiki-unseen.txt"
    if not path.exists():
        unseen = set(unseen_words())
        with gzip.open(harness.data_file(CORPUS), "rt", encoding="ascii") as lines:
            kept = [
                " ".join(word for word in line.split() if word not in unseen)
                for line, _ in zip(lines, range(UNSEEN_LINES), strict=False)
            ]
        harness.WORK.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(kept) + "\n", encoding="ascii")
    return path


def unseen_by_embtrain(snapshot: str) -> dict[str, float]:
    """Score words never seen by their n-grams' vectors."""
    done = timed_training(snapshot, model_settings(), seed=1)
    vectors = done.model.subword_vectors(done.vocabulary)
    return unseen_quality(lambda words: vectors[words])


def unseen_by_facebook() -> dict[str, float]:
    """Score them by Facebook's."""
    model = run_facebook(text_without(), epochs=EPOCHS)
    return unseen_quality(lambda words: np.stack([model.get_word_vector(word) for word in words]))


def unseen_quality(vectors_of: Callable[[list[str]], np.ndarray]) -> dict[str, float]:
    """Correlate the vectors of words never seen with human scores, in points of 100."""
    from embtrain.evaluation.similarity import evaluate_similarity
    from embtrain.vectors import Vectors

    words = unseen_words()
    vectors = Vectors(words, vectors_of(words))
    results = [evaluate_similarity(vectors, harness.data_file(name)) for name in EVALUATION["similarity"]]
    return {f"unseen {result.name}": round(100 * result.spearman, 1) for result in results}


if __name__ == "__main__":
    main()

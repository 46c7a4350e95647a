"""PPMI-SVD against SciPy: the same co-occurrences, singular values and dimension, in turn, each in a fresh process.

Both read the cells from the snapshot's Parquet. The peer weighs them with SciPy's sparse matrices, as in a notebook,
and factorises with ``scipy.sparse.linalg.svds``, in float32 as ours.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass

import harness
import numpy as np
from word2vec_contest import CORPUS, mean_quality, quality_of

DIM, WINDOW, SMOOTHING, THREADS = 100, 2, 0.75, 2

TOLERANCE = 1e-3
"""Relative, of a singular value."""


@dataclass(frozen=True)
class Entry:
    """Seconds from the table to the vectors, the singular values, and the vectors' quality in points of 100."""

    seconds: float
    singular_values: np.ndarray
    quality: dict[str, float]


def prepare() -> str:
    """Return the snapshot with co-occurrences of window 2; Spark makes it the first time."""
    from embtrain.config import CooccurrenceSettings, CorpusSettings, Settings
    from pipelines.prepare import prepare as prepare_snapshot
    from pipelines.session import spark_session

    location = str(harness.WORK / "enwiki-100m-window-2")
    corpus = CorpusSettings(
        paths=[str(harness.data_file(CORPUS))], tokenizer="whitespace", held_out=0, deduplicate=False
    )
    settings = Settings(
        name="svd",
        snapshot=location,
        corpus=corpus,
        tables=["cooccurrence"],
        cooccurrence=CooccurrenceSettings(window=WINDOW, weighting="flat"),
    )
    with spark_session(settings.spark, app="benchmark") as spark:
        prepare_snapshot(spark, settings)
    return location


def ours(location: str) -> Entry:
    """Factorise by embtrain."""
    from embtrain.config import PpmiSvdSettings
    from embtrain.data.vocabulary import Vocabulary
    from embtrain.manifest import Snapshot
    from embtrain.models.factorisation import factorise

    snapshot = Snapshot.open(location)
    vocabulary = Vocabulary.read(snapshot)
    settings = PpmiSvdSettings(dim=DIM, context_smoothing=SMOOTHING)
    started = time.perf_counter()
    factors = factorise(settings, snapshot, len(vocabulary), threads=THREADS, seed=1)
    seconds = time.perf_counter() - started
    return Entry(seconds, factors.singular_values, quality_of(vocabulary.tokens, factors.words))


def peers(location: str) -> Entry:
    """Factorise by SciPy, rows in the order of the table."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    from scipy.sparse import csr_array
    from scipy.sparse.linalg import svds

    from embtrain.data.vocabulary import Vocabulary
    from embtrain.manifest import Snapshot
    from embtrain.schema import COOCCURRENCE

    snapshot = Snapshot.open(location)
    vocabulary = Vocabulary.read(snapshot)
    folder, _ = snapshot.table(COOCCURRENCE)
    started = time.perf_counter()
    table = pq.read_table([info.path for info in folder.files()], filesystem=folder.filesystem)
    lengths = pc.list_value_length(table["columns"]).to_numpy()
    columns, weights = (pc.list_flatten(table[name]).to_numpy() for name in ("columns", "weights"))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    matrix = csr_array((weights, columns, offsets), shape=(lengths.size, len(vocabulary)))
    row_sums, context = matrix.sum(axis=1, dtype=np.float64), matrix.sum(axis=0, dtype=np.float64) ** SMOOTHING
    values = np.log(weights / np.repeat(row_sums, lengths) / (context / context.sum())[columns])
    matrix.data = np.maximum(values, 0).astype(np.float32)
    matrix.eliminate_zeros()
    left, singular_values, _ = svds(matrix, k=DIM, random_state=1)
    vectors = np.zeros((len(vocabulary), DIM), np.float32)
    vectors[table["row"].to_numpy()] = left * np.sqrt(singular_values)
    seconds = time.perf_counter() - started
    return Entry(seconds, np.sort(singular_values)[::-1], quality_of(vocabulary.tokens, vectors))


def main() -> None:
    """Run both in turn, print every figure, and of each side the median."""
    options = harness.arguments(__doc__, rounds=1)
    location = harness.in_fresh_process(prepare)
    entries: dict[str, list[Entry]] = {"SciPy": [], "embtrain": []}
    for _ in range(options.rounds):
        for side, factorise in (("SciPy", peers), ("embtrain", ours)):
            entry = harness.in_fresh_process(factorise, location)
            entries[side].append(entry)
            harness.say(f"{side:9s} {entry.seconds:6.1f} s  {entry.quality}", quiet=options.json)
        require_same(*(of_side[-1].singular_values for of_side in entries.values()), quiet=options.json)
    peer, own = (statistics.median(entry.seconds for entry in of_side) for of_side in entries.values())
    quality = {name: mean_quality(entries[side]) for name, side in (("ours", "embtrain"), ("peer", "SciPy"))}
    harness.finish(harness.Result("svd", "seconds", own, peer, "scipy svds", peer / own, quality))


def require_same(peer: np.ndarray, own: np.ndarray, *, quiet: bool) -> None:
    """Stop where the sides have not factorised the same matrix."""
    error = np.abs(own / peer - 1).max()
    harness.say(f"largest relative difference of a singular value: {error:.1e}", quiet=quiet)
    if not error <= TOLERANCE:
        sys.exit(f"a singular value differs by {error:.1e} of the peer's, expected at most {TOLERANCE:g}")


if __name__ == "__main__":
    main()

"""PPMI-SVD against SciPy: the same co-occurrences, singular values and dimension, in turn, each in a fresh process.

Both read the cells from the snapshot's Parquet. The peer weighs them with SciPy's sparse matrices, as in a notebook,
and factorises with ``scipy.sparse.linalg.svds``, in float32 as ours.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import harness
import numpy as np
from word2vec_contest import CORPUS, quality_of

DIM, WINDOW, SMOOTHING, THREADS = 100, 2, 0.75, 2


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
    """Factorise by SciPy."""
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
    table = pq.read_table([info.path for info in folder.files()], filesystem=folder.filesystem).sort_by("row")
    rows = np.repeat(table["row"].to_numpy(), [len(columns) for columns in table["columns"]])
    columns = np.concatenate([chunk.flatten().to_numpy() for chunk in table["columns"].chunks])
    weights = np.concatenate([chunk.flatten().to_numpy() for chunk in table["weights"].chunks])
    counts = csr_array((weights, (rows, columns)), shape=(len(vocabulary), len(vocabulary)))
    row_sums, context = counts.sum(axis=1, dtype=np.float64), counts.sum(axis=0, dtype=np.float64) ** SMOOTHING
    cells = counts.tocoo()
    values = np.log(cells.data / row_sums[cells.row] / (context / context.sum())[cells.col])
    positive = values > 0
    matrix = csr_array(
        (values[positive].astype(np.float32), (cells.row[positive], cells.col[positive])), shape=counts.shape
    )
    left, singular_values, _ = svds(matrix, k=DIM, random_state=1)
    vectors = left * np.sqrt(singular_values)
    seconds = time.perf_counter() - started
    return Entry(seconds, np.sort(singular_values)[::-1], quality_of(vocabulary.tokens, vectors))


def main() -> None:
    """Run both in turn and print every figure."""
    options = harness.arguments(__doc__, rounds=1)
    location = harness.in_fresh_process(prepare)
    for _ in range(options.rounds):
        peer, own = harness.in_fresh_process(peers, location), harness.in_fresh_process(ours, location)
        error = np.abs(own.singular_values / peer.singular_values - 1).max()
        for side, entry in (("SciPy", peer), ("embtrain", own)):
            harness.say(f"{side:9s} {entry.seconds:6.1f} s  {entry.quality}", quiet=options.json)
        harness.say(f"largest relative difference of a singular value: {error:.1e}", quiet=options.json)
    harness.finish(
        harness.Result(
            name="svd",
            unit="seconds",
            ours=own.seconds,
            peer=peer.seconds,
            peer_name="scipy svds",
            ratio=peer.seconds / own.seconds,
            quality={"ours": own.quality, "peer": peer.quality},
        )
    )


if __name__ == "__main__":
    main()

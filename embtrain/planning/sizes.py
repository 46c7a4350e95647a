"""The sizes that an estimate depends on: counted in a snapshot, or assumed for one that is still to be made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from embtrain.config import FastTextSettings, GloveSettings, LsaSettings, PpmiSvdSettings, Settings
from embtrain.errors import SnapshotError
from embtrain.manifest import Manifest, Snapshot
from embtrain.planning.zipf import Zipf
from embtrain.schema import COOCCURRENCE, DOCUMENT_TERMS, SEQUENCES, SUBWORDS, UNIGRAM, VOCABULARY, Table
from embtrain.storage import Location

ROW_GROUP_WORDS = 1_000_000
"""Words of a row group at most, as ``embtrain prepare`` cuts them; 710,000 are usual."""

# Of 16.7 million words of English Wikipedia and their vocabulary of 67,890.
_SEQUENCE_WORDS = 20
_CELLS_PER_WORD_OF_WINDOW = 0.27
_NGRAMS_PER_WORD = 24
_DISTINCT_NGRAMS = 0.19
_TERMS_PER_WORD = 0.5


class Occurrence(NamedTuple):
    """How often a word of the text changes a row, for all rows of a matrix: those that are alike together."""

    of_row: npt.NDArray[np.float64]
    rows: npt.NDArray[np.int64]
    """How many there are of each."""

    @property
    def total(self) -> float:
        """Return how many rows a word of the text changes: for words, the share that subsampling keeps."""
        return float(self.of_row @ self.rows)


@dataclass(frozen=True)
class Sizes:
    """What of a corpus decides on what its training needs. What a model does not read is 0."""

    vocabulary: int
    """Words that have an id."""
    words: int
    """Of the text: what one epoch goes through."""
    sequences: int
    row_groups: int
    largest_row_group: int
    """Words of it."""
    cells: int = 0
    """Of the table of co-occurrences."""
    ngrams: int = 0
    """N-grams of all words of the vocabulary together."""
    buckets: int = 0
    """Different buckets that they fall into."""
    documents: int = 0
    terms: int = 0
    """Different words of each document, added up."""

    @property
    def row_group_bytes(self) -> int:
        """Return the memory of the largest row group: an int32 per word, an int64 per sequence."""
        return 4 * self.largest_row_group + 8 * math.ceil(self.sequences * self.largest_row_group / max(1, self.words))


def sizes_of(snapshot: Snapshot, settings: Settings) -> Sizes:
    """Count a snapshot by its manifests and footers; of the n-grams, the buckets themselves are gone through once.

    Raises:
        SnapshotError: if a table that the model needs is absent or damaged.
    """
    model = settings.model
    _, vocabulary = snapshot.table(VOCABULARY)
    folder, sequences = snapshot.table(SEQUENCES)
    row_groups = _list_items(folder, sequences, 0)
    cells = documents = terms = ngrams = buckets = 0
    if isinstance(model, GloveSettings | PpmiSvdSettings):
        cells = sum(_list_items(*snapshot.table(COOCCURRENCE), 1))
    if isinstance(model, LsaSettings):
        folder, manifest = snapshot.table(DOCUMENT_TERMS)
        documents, terms = manifest.rows, sum(_list_items(folder, manifest, 3))
    if isinstance(model, FastTextSettings):
        ngrams, buckets = _ngrams(snapshot)
    return Sizes(
        vocabulary=vocabulary.rows,
        words=sum(row_groups),
        sequences=sequences.rows,
        row_groups=len(row_groups),
        largest_row_group=max(row_groups, default=0),
        cells=cells,
        ngrams=ngrams,
        buckets=buckets,
        documents=documents,
        terms=terms,
    )


def assumed_sizes(settings: Settings, *, vocabulary: int, words: int) -> Sizes:
    """Guess the sizes of a corpus that is not there yet, from those of English Wikipedia.

    Args:
        settings: of the run.
        vocabulary: words that will have an id.
        words: of the text.
    """
    model = settings.model
    row_groups = max(1, math.ceil(words / ROW_GROUP_WORDS))
    counts = isinstance(model, GloveSettings | PpmiSvdSettings)
    pairs = vocabulary * vocabulary
    ngrams = _NGRAMS_PER_WORD * vocabulary if isinstance(model, FastTextSettings) else 0
    return Sizes(
        vocabulary=vocabulary,
        words=words,
        sequences=math.ceil(words / _SEQUENCE_WORDS),
        row_groups=row_groups,
        largest_row_group=math.ceil(words / row_groups),
        cells=min(pairs, round(_CELLS_PER_WORD_OF_WINDOW * settings.cooccurrence.window * words)) if counts else 0,
        ngrams=ngrams,
        buckets=_occupied(round(_DISTINCT_NGRAMS * ngrams), settings.subwords.buckets),
        documents=math.ceil(words / ROW_GROUP_WORDS) if isinstance(model, LsaSettings) else 0,
        terms=round(_TERMS_PER_WORD * words) if isinstance(model, LsaSettings) else 0,
    )


def occurrence_of(snapshot: Snapshot) -> Occurrence:
    """Return how often a word of a snapshot's text is each word of its vocabulary, and is kept.

    Raises:
        SnapshotError: if a table is absent or damaged.
    """
    counts, keep = _column(snapshot, VOCABULARY, "count"), _column(snapshot, UNIGRAM, "keep_probability")
    if len(counts) != len(keep):
        raise SnapshotError(
            f"{snapshot.location}: the tables vocabulary and unigram differ in length; run prepare again"
        )
    return Occurrence(counts * keep / max(1, counts.sum()), np.ones(len(counts), np.int64))


def assumed_occurrence(settings: Settings, vocabulary: int) -> Occurrence:
    """Return the same of a text whose words follow Zipf's law."""
    zipf = Zipf.of(vocabulary)
    return Occurrence(zipf.kept(settings.unigram.subsample_threshold) / zipf.words, zipf.words)


def _list_items(folder: Location, manifest: Manifest, column: int) -> list[int]:
    """Return the items of each row group's lists, by the footers: of a list column they count the items."""
    return [
        footer.row_group(index).column(column).num_values
        for footer in (
            pq.read_metadata(f"{folder.path}/{part.name}", filesystem=folder.filesystem) for part in manifest.parts
        )
        for index in range(footer.num_row_groups)
    ]


def _ngrams(snapshot: Snapshot) -> tuple[int, int]:
    """Return the number of all words' n-grams, and that of the buckets they fall into, in a byte per bucket."""
    folder, manifest = snapshot.table(SUBWORDS)
    count, seen = 0, np.zeros(0, np.bool_)
    for part in manifest.parts:
        with pq.ParquetFile(f"{folder.path}/{part.name}", filesystem=folder.filesystem) as file:
            for batch in file.iter_batches(columns=["buckets"]):
                buckets = batch.column(0).flatten().to_numpy()
                count += buckets.size
                missing = int(buckets.max(initial=-1)) + 1 - seen.size
                seen = np.append(seen, np.zeros(missing, np.bool_)) if missing > 0 else seen
                seen[buckets] = True
    return count, int(seen.sum())


def _occupied(ngrams: int, buckets: int) -> int:
    """Return the buckets expected to have one of so many different n-grams, hashed to them evenly."""
    return round(buckets * -math.expm1(-ngrams / buckets))


def _column(snapshot: Snapshot, table: Table, name: str) -> npt.NDArray[Any]:
    """Return a column of a table that has a row for each word, in the order of their ids."""
    folder, manifest = snapshot.table(table)
    paths = [f"{folder.path}/{part.name}" for part in manifest.parts]
    parts = [pq.read_table(path, filesystem=folder.filesystem, columns=["id", name]) for path in paths]
    column: npt.NDArray[Any] = pa.concat_tables(parts).sort_by("id").column(name).to_numpy()
    return column

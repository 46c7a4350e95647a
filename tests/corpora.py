"""Toy corpora with known answers, as snapshots written without Spark."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from embtrain.manifest import Manifest, Snapshot, fingerprint, read_parts, write_manifest
from embtrain.schema import (
    CHARACTERS,
    COOCCURRENCE,
    DOCUMENT_TERMS,
    HELD_OUT,
    SEQUENCES,
    SUBWORDS,
    UNIGRAM,
    VOCABULARY,
)
from embtrain.storage import Location
from embtrain.text.characters import word_characters
from embtrain.text.subwords import subword_buckets

WORDS_PER_TOPIC = 12


def write_snapshot(folder, sequences, tokens, *, rows_per_group=50, held_out=()):
    """Write a snapshot of sequences of ids, renumbered by count; rows_per_group sequences make a row group."""
    flat = [token_id for sequence in sequences for token_id in sequence]
    counts = np.bincount(np.array(flat, np.int64), minlength=len(tokens))
    by_count = np.argsort(-counts, kind="stable")
    new_id = np.argsort(by_count).astype(np.int32)
    sequences, held_out = ([new_id[list(ids)] for ids in table] for table in (sequences, held_out))
    tokens, counts = [tokens[i] for i in by_count], counts[by_count]
    probability = counts**0.75 / max(1, (counts**0.75).sum())
    ids = np.arange(len(tokens), dtype=np.int32)
    tables = {
        VOCABULARY: [ids, tokens, counts],
        UNIGRAM: [ids, np.ones(len(tokens)), probability],
        SEQUENCES: [pa.array(sequences, pa.list_(pa.int32()))],
        HELD_OUT: [pa.array(held_out, pa.list_(pa.int32()))],
    }
    snapshot = Snapshot(Location.of(folder), {table.name: f"{table.name}-toy" for table in tables})
    for table, columns in tables.items():
        write_table(snapshot, table, columns, rows_per_group)
    snapshot.commit()
    return snapshot


def write_table(snapshot, table, columns, rows_per_group, **made_from):
    """Write a table of a snapshot, to one file."""
    location = snapshot.location / snapshot.tables[table.name]
    location.filesystem.create_dir(location.path)
    rows = pa.table(columns, schema=table.arrow_schema)
    pq.write_table(rows, f"{location.path}/part-0.parquet", row_group_size=rows_per_group)
    parts = read_parts(location, table)
    manifest = Manifest(table.name, fingerprint(table=table.name), rows.num_rows, parts, made_from=made_from)
    write_manifest(location, manifest)


def with_cooccurrence(snapshot, stripes, *, context="symmetric", rows_per_group=5):
    """Add a table of co-occurrences: ``(row, columns, weights)`` each; return the snapshot."""
    snapshot.tables[COOCCURRENCE.name] = f"{COOCCURRENCE.name}-toy"
    rows, columns, weights = zip(*stripes, strict=True) if stripes else ((), (), ())
    arrays = [
        pa.array(rows, pa.int32()),
        pa.array(columns, pa.list_(pa.int32())),
        pa.array(weights, pa.list_(pa.float32())),
    ]
    write_table(snapshot, COOCCURRENCE, arrays, rows_per_group, settings={"context": context})
    snapshot.commit()
    return snapshot


def with_subwords(snapshot, **settings):
    """Add a table of the n-grams of each token; return the snapshot."""
    settings = {"min_n": 3, "max_n": 4, "buckets": 1000, "units": "syllables", **settings}
    tokens = pq.read_table(f"{snapshot.location.path}/vocabulary-toy/part-0.parquet").column("token").combine_chunks()
    snapshot.tables[SUBWORDS.name] = f"{SUBWORDS.name}-toy"
    columns = [np.arange(len(tokens), dtype=np.int32), subword_buckets(tokens, **settings)]
    write_table(snapshot, SUBWORDS, columns, rows_per_group=50, settings=settings)
    snapshot.commit()
    return snapshot


def with_characters(snapshot):
    """Add a table of the characters of each token; return the snapshot."""
    tokens = pq.read_table(f"{snapshot.location.path}/vocabulary-toy/part-0.parquet").column("token").combine_chunks()
    snapshot.tables[CHARACTERS.name] = f"{CHARACTERS.name}-toy"
    spelled = pa.array(list(word_characters(tokens)), pa.list_(pa.int32()))
    write_table(snapshot, CHARACTERS, [np.arange(len(tokens), dtype=np.int32), spelled], rows_per_group=50)
    snapshot.commit()
    return snapshot


def stripes_of(matrix):
    """Return the rows of a matrix as stripes of its cells that are not 0, the last row first."""
    found = [(row, np.flatnonzero(weights)) for row, weights in enumerate(matrix)]
    return [(row, columns, matrix[row, columns]) for row, columns in reversed(found) if columns.size]


def two_topics(folder, *, sentences=400, **options):
    """Write a snapshot of two topics whose words never share a sentence: a0, a1, … and b0, b1, …"""
    random = np.random.default_rng(0)
    topics = [2 * random.integers(0, WORDS_PER_TOPIC, 12) + i % 2 for i in range(sentences)]
    tokens = [f"{topic}{word}" for word in range(WORDS_PER_TOPIC) for topic in "ab"]
    held_out = max(2, sentences // 20)
    return write_snapshot(folder, topics[held_out:], tokens, held_out=topics[:held_out], **options)


def counted_topics(folder, **options):
    """Write the snapshot of :func:`two_topics` with how often two words share a sentence, and once more.

    GloVe learns from cells that are there alone: without the once more it could not know that the topics are apart.
    """
    snapshot = two_topics(folder, **options)
    rows = pq.read_table(f"{snapshot.location.path}/sequences-toy/part-0.parquet").column("ids").to_pylist()
    counts = np.array([np.bincount(ids, minlength=2 * WORDS_PER_TOPIC) for ids in rows])
    return with_cooccurrence(snapshot, stripes_of(counts.T @ counts + 1.0))


def documented_topics(folder):
    """Write the snapshot of :func:`counted_topics` with each of its sentences as a document, too."""
    snapshot = counted_topics(folder)
    rows = pq.read_table(f"{snapshot.location.path}/sequences-toy/part-0.parquet").column("ids").to_pylist()
    terms, counts = zip(*(np.unique(ids, return_counts=True) for ids in rows), strict=True)
    numbers = range(len(rows))
    snapshot.tables[DOCUMENT_TERMS.name] = f"{DOCUMENT_TERMS.name}-toy"
    columns = [
        pa.array(numbers, pa.int64()),
        ["toy.txt" for _ in numbers],
        [f"sentence {number}" for number in numbers],
        pa.array(terms, pa.list_(pa.int32())),
        pa.array(counts, pa.list_(pa.int32())),
    ]
    write_table(snapshot, DOCUMENT_TERMS, columns, rows_per_group=50)
    snapshot.commit()
    return snapshot


def zipf_text(folder, *, vocab_size, words, cells=0):
    """Write a snapshot of a text whose words follow Zipf's law, of real size: some million words in a second or two.

    Sentences have 20 words; row groups have 700,000, or 1.8 million co-occurrences, as those of ``prepare``.
    """
    random = np.random.default_rng(0)
    edges = np.cumsum(1 / np.arange(1, vocab_size + 1))
    ids = np.searchsorted(edges, random.random(words) * edges[-1]).clip(max=vocab_size - 1).astype(np.int32)
    ids[:vocab_size] = random.permutation(vocab_size)
    counts = np.bincount(ids, minlength=vocab_size)
    new_id = np.argsort(np.argsort(-counts, kind="stable")).astype(np.int32)
    sentences = pa.ListArray.from_arrays(pa.array(np.arange(0, words + 1, 20, np.int32)), pa.array(new_id[ids]))
    counts = -np.sort(-counts)
    every = np.arange(vocab_size, dtype=np.int32)
    negative = counts**0.75
    tables = {
        VOCABULARY: [every, [f"word{i}" for i in range(vocab_size)], counts],
        UNIGRAM: [every, np.minimum(1, np.sqrt(1e-4 * words / counts)), negative / negative.sum()],
        SEQUENCES: [sentences],
        HELD_OUT: [sentences[:50]],
    }
    snapshot = Snapshot(Location.of(folder), {table.name: f"{table.name}-toy" for table in tables})
    if cells:
        tables[COOCCURRENCE] = even_stripes(vocab_size, cells // vocab_size, random)
        snapshot.tables[COOCCURRENCE.name] = f"{COOCCURRENCE.name}-toy"
    rows_per_group = {SEQUENCES: 35_000, COOCCURRENCE: max(1, 1_800_000 * vocab_size // max(1, cells))}
    for table, columns in tables.items():
        write_table(snapshot, table, columns, rows_per_group.get(table, vocab_size))
    snapshot.commit()
    return snapshot


def even_stripes(vocab_size, length, random):
    """Return the columns of a table of co-occurrences whose rows have ``length`` cells each, evenly spread."""
    first = random.integers(0, vocab_size // length, vocab_size)
    columns = first[:, None] + np.arange(length) * (vocab_size // length)
    offsets = pa.array(np.arange(0, columns.size + 1, length, np.int32))
    weights = 1 + random.random(columns.size, np.float32)
    lists = [
        pa.ListArray.from_arrays(offsets, pa.array(items)) for items in (columns.ravel().astype(np.int32), weights)
    ]
    return [random.permutation(vocab_size).astype(np.int32), *lists]

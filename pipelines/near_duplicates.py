"""Table ``near_duplicates``: documents that differ little from another, to be left out.

Each document is described by 128 least hashes (``embtrain.text.minhash``). Those that share a band of them are
compared; of two that are similar the one with the higher hash is left out, so that what is kept does not depend on
how the corpus was cut into files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, Observation, SparkSession, Window
from pyspark.sql import functions as F

from embtrain.config import CorpusSettings
from embtrain.schema import NEAR_DUPLICATES
from embtrain.text.minhash import (
    NO_HASH,
    NUM_HASHES,
    Sketches,
    band_keys,
    choose_bands,
    estimate_similarity,
    minhash,
    sketch,
)
from pipelines.documents import (
    DOCUMENT_SETTINGS,
    document_code,
    document_hash,
    document_inputs,
    kept_documents,
    read_documents,
)
from pipelines.sources import Sources
from pipelines.store import Stage

Batches = Iterator[pa.RecordBatch]

_TEXT_CODE = tuple(f"embtrain.text.{module}" for module in ("minhash", "normalise", "words"))

_SKETCHED = "document BIGINT, sketch BINARY, bands ARRAY<BIGINT>"


def near_duplicates_stage(spark: SparkSession, sources: Sources, corpus: CorpusSettings, partitions: int) -> Stage:
    """Say how near duplicates are found among the documents of a corpus, as ``corpus.near_duplicates`` asks for."""
    read, similarity = Observation(), corpus.near_duplicates or 1.0

    def build() -> DataFrame:
        documents = kept_documents(read_documents(spark, sources, corpus))
        counted = documents.observe(read, F.count(F.lit(1)).alias("documents"))
        found = find_near_duplicates(counted, similarity)
        return found.repartition(partitions, "document").sortWithinPartitions("document")

    return Stage(
        table=NEAR_DUPLICATES,
        build=build,
        settings={**corpus.model_dump(include={*DOCUMENT_SETTINGS, "near_duplicates"}), "partitions": partitions},
        code=(__name__, *document_code(corpus), *_TEXT_CODE),
        inputs=document_inputs(sources, corpus),
        observed=(read,),
        summary=lambda manifest: (
            f"{manifest.rows:,} of {manifest.measures['documents']:,} documents are near duplicates of another"
        ),
    )


def find_near_duplicates(documents: DataFrame, similarity: float) -> DataFrame:
    """Find the documents that are as similar as this to one with a lower hash.

    A document is compared with the first and with the previous one, by hash, in each of its bands: the work
    grows with the documents alone, however many of them are alike.

    Args:
        documents: ``text STRING``, valid UTF-8; other columns do not matter.
        similarity: Jaccard similarity of the runs of five words, above 0, at most 1.

    Returns:
        Table ``embtrain.schema.NEAR_DUPLICATES``: a row for each document to leave out, with the most similar
        of those that it was compared with. Copies of the same text are one document here.
    """
    bands, rows = choose_bands(similarity)
    hashed = documents.select(document_hash(), "text")
    sketched = hashed.mapInArrow(_sketcher(bands, rows), _SKETCHED).dropDuplicates(["document"])
    banded = sketched.select(F.struct("document", "sketch").alias("one"), F.explode("bands").alias("band"))
    by_hash = Window.partitionBy("band").orderBy("one.document")
    others = F.array(F.first("one").over(by_hash), F.lag("one").over(by_hash)).alias("others")
    pairs = banded.select("one", others).select("one", F.explode("others").alias("other"))
    other = (F.col(f"other.{name}").alias(f"other_{name}") for name in ("document", "sketch"))
    compared = pairs.filter("other.document < one.document").select("one.document", "one.sketch", *other)
    similar = compared.mapInArrow(_comparer(similarity), NEAR_DUPLICATES.spark_ddl)
    most_similar = F.max(F.struct("similarity", F.col("similar_to"))).alias("most")
    return similar.groupBy("document").agg(most_similar).select("document", "most.similar_to", "most.similarity")


def _sketcher(bands: int, rows: int) -> Callable[[Batches], Batches]:
    def sketch_batches(batches: Batches) -> Batches:
        for batch in batches:
            least = minhash(batch.column("text"))
            has_words = (least < NO_HASH).any(axis=1)
            keys = pa.FixedSizeListArray.from_arrays(band_keys(least, bands, rows).ravel(), bands)
            described = {
                "document": batch.column("document"),
                "sketch": _rows_of_bytes(sketch(least)),
                "bands": keys.cast(pa.list_(pa.int64())),
            }
            # Texts without words are alike in nothing.
            yield pa.record_batch(described).filter(pa.array(has_words))

    return sketch_batches


def _comparer(similarity: float) -> Callable[[Batches], Batches]:
    def compare_batches(batches: Batches) -> Batches:
        for batch in batches:
            document, one, other_document, other = batch.columns
            estimates = estimate_similarity(_sketches(one), _sketches(other))
            compared = {"document": document, "similar_to": other_document, "similarity": estimates}
            yield pa.record_batch(compared).filter(pc.greater_equal(pa.array(estimates), similarity))

    return compare_batches


def _rows_of_bytes(sketches: Sketches) -> pa.Array:
    data = pa.py_buffer(sketches)
    return pa.Array.from_buffers(pa.binary(NUM_HASHES), len(sketches), [None, data]).cast(pa.binary())


def _sketches(column: pa.Array) -> Sketches:
    data = column.cast(pa.binary(NUM_HASHES)).buffers()[1]
    return np.frombuffer(data, dtype=np.uint8)[column.offset * NUM_HASHES :].reshape(-1, NUM_HASHES)[: len(column)]

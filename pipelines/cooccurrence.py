"""Table ``cooccurrence``: which tokens stand near which, and how much each pair weighs.

Each task counts the sequences that it reads, chunk by chunk, into stripes: one per row and chunk. Spark brings the
stripes of a row together, sorted, so that a task adds them up as they come. What a task holds is bounded by the
vocabulary, whatever the corpus.
"""

from __future__ import annotations

from functools import partial

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from embtrain.config import CooccurrenceSettings
from embtrain.errors import CorpusError
from embtrain.manifest import Manifest
from embtrain.schema import COOCCURRENCE
from pipelines.store import Stage, StoredTable
from pipelines.stripes import count_stripes, merge_rows

# Columns ascend, so that their differences take few bytes, and are written faster than a dictionary of them.
_WRITER = {
    # What a training reads at once: one to two million cells, as the writer estimates them.
    "parquet.block.size": 4 << 20,
    "parquet.writer.version": "v2",
    "parquet.enable.dictionary#columns.list.element": "false",
}

_KERNELS = tuple(f"embtrain.kernels.{module}" for module in ("cooccurrence", "row_sums", "varint"))


def cooccurrence_stage(
    spark: SparkSession,
    sequences: StoredTable,
    vocabulary: StoredTable,
    settings: CooccurrenceSettings,
    partitions: int,
) -> Stage:
    """Say how co-occurrences are counted from the training sequences."""
    counted = Observation()

    def build() -> DataFrame:
        rows = count_cooccurrences(
            sequences.frame(spark), settings, vocab_size=vocabulary.manifest.rows, partitions=partitions
        )
        observed = rows.observe(
            counted, F.sum(F.size("columns")).alias("cells"), F.sum("dropped").alias("dropped_cells")
        )
        return observed.filter(F.size("columns") > 0).select("row", "columns", "weights")

    def check(manifest: Manifest) -> None:
        if not manifest.rows:
            raise CorpusError(
                f"all {manifest.measures['dropped_cells']:,} pairs of words weigh less than "
                f"cooccurrence.min_weight={settings.min_weight:g}; lower it, or add text"
            )

    return Stage(
        table=COOCCURRENCE,
        build=build,
        settings={**settings.model_dump(), "partitions": partitions},
        code=(__name__, "pipelines.stripes", *_KERNELS),
        inputs={"sequences": sequences.manifest.fingerprint},
        observed=(counted,),
        options=_WRITER,
        check=check,
        summary=_summary,
    )


def _summary(manifest: Manifest) -> str:
    dropped = manifest.measures["dropped_cells"]
    return f"kept {manifest.measures['cells']:,} cells in {manifest.rows:,} rows" + (
        f"; dropped {dropped:,} that weigh too little" if dropped else ""
    )


def count_cooccurrences(
    sequences: DataFrame, settings: CooccurrenceSettings, *, vocab_size: int, partitions: int
) -> DataFrame:
    """Add up, for each token, what the tokens near it weigh.

    The same as Stanford's cooccur (Pennington et al., 2014), but for its limits of memory. Sums are of whole
    numbers, so that the same sequences give the same weights, to the last bit, however they are partitioned.

    Args:
        sequences: table ``embtrain.schema.SEQUENCES``.
        settings: which neighbours count, and how much.
        vocab_size: ids are below it.
        partitions: files to write.

    Returns:
        The columns of table ``embtrain.schema.COOCCURRENCE``, and ``dropped INT``: how many cells of the row weigh
        less than ``settings.min_weight``. Each row once, if it has any cell; in the order of a hash.
    """
    stripes = sequences.mapInArrow(
        partial(count_stripes, settings=settings, vocab_size=vocab_size), "row INT, cells BINARY"
    )
    # The hash gives each id a number of its own, so rows of the same id lie together.
    together = stripes.repartition(partitions, "row").sortWithinPartitions(F.xxhash64("row"))
    return together.mapInArrow(
        partial(merge_rows, settings=settings, vocab_size=vocab_size), f"{COOCCURRENCE.spark_ddl}, dropped INT"
    )

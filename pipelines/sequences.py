"""Tables ``sequences`` and ``held_out``: sentences as ids."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from embtrain.errors import CorpusError
from embtrain.manifest import Manifest
from embtrain.schema import HELD_OUT, Table
from pipelines.store import Stage, StoredTable

Batches = Iterator[pa.RecordBatch]

# A row group is what a rank of the training reads at once: at most 4 MB of ids, enough to read at full speed.
ROW_GROUP_TOKENS = 1_000_000


def sequences_stage(spark: SparkSession, table: Table, sentences: StoredTable, vocabulary: StoredTable) -> Stage:
    """Say how sentences, those for training or those held out, become ids."""
    held_out = table is HELD_OUT

    def check(manifest: Manifest) -> None:
        if not manifest.rows and not held_out:
            raise CorpusError("no sentence has two words of the vocabulary; lower vocabulary.min_count, or add text")

    return Stage(
        table=table,
        build=lambda: encode_sentences(sentences.frame_in_order(spark), _tokens_by_id(vocabulary), held_out=held_out),
        settings={"row_group_tokens": ROW_GROUP_TOKENS},
        code=(__name__,),
        inputs={"sentences": sentences.manifest.fingerprint, "vocabulary": vocabulary.manifest.fingerprint},
        options={"parquet.block.row.count.limit": _row_group_rows(sentences.manifest, held_out=held_out)},
        check=check,
        summary=lambda manifest: f"kept {manifest.rows:,} sentences with {manifest.tokens:,} tokens",
    )


def _row_group_rows(sentences: Manifest, *, held_out: bool) -> int:
    """Cut the longest file in equal row groups: in each round of the training every rank reads one, and waits for all.

    Estimated from the sentences before they are encoded. What encoding drops makes the last group of a file shorter.
    """
    held_out_share = sentences.measures["held_out"] / sentences.rows
    share: float = held_out_share if held_out else 1 - held_out_share
    longest = max(sum(part.row_groups) for part in sentences.parts)
    groups = math.ceil(longest * share * (sentences.tokens or 0) / sentences.rows / ROW_GROUP_TOKENS)
    # Which file a sentence that is held out falls to is chance: three standard deviations leave no tail of a few rows.
    rows = longest * share + 3 * math.sqrt(longest * share * (1 - share))
    return max(1, math.ceil(rows / max(1, groups)))


def _tokens_by_id(vocabulary: StoredTable) -> pa.Array:
    """Read the one column of the snapshot that the driver holds: the tokens."""
    return vocabulary.read(["token"])["token"].combine_chunks()


def encode_sentences(sentences: DataFrame, vocabulary: pa.Array, *, held_out: bool) -> DataFrame:
    """Write sentences as ids.

    Tokens out of the vocabulary are left out before windows are laid, as word2vec does; a sentence
    of which fewer than two ids remain has no pair to learn from and is left out.

    Args:
        sentences: table ``embtrain.schema.SENTENCES``.
        vocabulary: the tokens in order of their ids: string array, shape ``(V,)``.
        held_out: whether to take the held-out sentences or the others.

    Returns:
        Table ``embtrain.schema.SEQUENCES`` or ``HELD_OUT``, in the order of the sentences.
    """
    chosen = sentences.filter(F.col("held_out") == held_out).select("tokens")
    tokens_by_id = sentences.sparkSession.sparkContext.broadcast(vocabulary)

    def encode_batches(batches: Batches) -> Batches:
        for batch in _of_tokens(batches, at_least=len(tokens_by_id.value)):
            yield pa.record_batch({"ids": encode(batch, tokens_by_id.value)})

    return chosen.mapInArrow(encode_batches, "ids ARRAY<INT>")


def encode(tokens: pa.ListArray, vocabulary: pa.Array) -> pa.ListArray:
    """Look tokens up; leave unknown ones out, and then lists of fewer than two.

    Args:
        tokens: lists of strings, shape ``(S,)``.
        vocabulary: string array, shape ``(V,)``.

    Returns:
        Lists of int32, shape ``(R,)``, R <= S, in the same order.
    """
    ids = pc.index_in(tokens.flatten(), value_set=vocabulary)
    offsets = tokens.offsets.to_numpy()
    known_before = np.append(0, np.cumsum(ids.is_valid().to_numpy(zero_copy_only=False)))
    kept_offsets = known_before[offsets - offsets[0]].astype(np.int32)
    encoded = pa.ListArray.from_arrays(pa.array(kept_offsets), ids.drop_null())
    return encoded.filter(pc.greater_equal(pc.list_value_length(encoded), 2))


def _of_tokens(batches: Batches, *, at_least: int) -> Iterator[pa.ListArray]:
    """Yield the first column, joined to arrays of as many tokens as the vocabulary has.

    Each call of ``index_in`` hashes the vocabulary anew, which must not outweigh looking tokens up.
    """
    waiting: list[pa.ListArray] = []
    for batch in batches:
        waiting.append(batch.column(0))
        if sum(len(tokens.flatten()) for tokens in waiting) >= at_least:
            yield pa.concat_arrays(waiting)
            waiting = []
    if waiting:
        yield pa.concat_arrays(waiting)

"""Tables ``sequences`` and ``held_out``: sentences as ids."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

Batches = Iterator[pa.RecordBatch]


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

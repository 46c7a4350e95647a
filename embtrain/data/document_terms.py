"""The ``document_terms`` table as a sparse matrix."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy.sparse import csr_array

from embtrain.data.sparse import matrix_of_rows
from embtrain.errors import SnapshotError
from embtrain.manifest import Snapshot
from embtrain.schema import DOCUMENT_TERMS, VOCABULARY


class DocumentTerms(NamedTuple):
    """How often documents have terms.

    Attributes:
        documents: a row a document: the columns ``document``, ``source`` and ``beginning`` of the table.
        counts: shape ``(N, V)``, float32.
    """

    documents: pa.Table
    counts: csr_array


def read_document_terms(snapshot: Snapshot, vocab_size: int) -> DocumentTerms:
    """Read the whole table.

    Raises:
        SnapshotError: if it is absent or damaged, was made with another vocabulary, or has a term that is not in the
            vocabulary, is there twice in a document, or is counted less than once.
    """
    snapshot.require_origin(DOCUMENT_TERMS, VOCABULARY)
    folder, manifest = snapshot.table(DOCUMENT_TERMS)
    try:
        table = pa.concat_tables(
            pq.read_table(f"{folder.path}/{part.name}", filesystem=folder.filesystem) for part in manifest.parts
        )
        lengths, terms = _lists(table, "terms")
        lengths_of_counts, counts = _lists(table, "counts")
    except (pa.ArrowException, OSError) as error:
        raise SnapshotError(f"cannot read {folder}: {error}; run prepare again") from None
    if not np.array_equal(lengths, lengths_of_counts):
        raise SnapshotError(f"{folder}: a document has more terms than counts, or fewer; run prepare again")
    if terms.size and (terms.min() < 0 or terms.max() >= vocab_size):
        raise SnapshotError(
            f"{folder} holds terms {terms.min()} to {terms.max()}, but the vocabulary has {vocab_size} tokens; "
            "the tables do not belong together: run prepare again"
        )
    if counts.min(initial=1) < 1:
        raise SnapshotError(f"{folder} holds the count {counts.min()}, expected 1 or more; run prepare again")
    matrix = matrix_of_rows(counts.astype(np.float32), terms, lengths, vocab_size)
    if not matrix.has_canonical_format:
        raise SnapshotError(f"{folder}: the terms of a document do not ascend; run prepare again")
    return DocumentTerms(table.select(["document", "source", "beginning"]), matrix)


def _lists(table: pa.Table, name: str) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the length of each list of a column, and their items."""
    lengths, items = pc.list_value_length(table[name]), pc.list_flatten(table[name])
    if lengths.null_count or items.null_count:
        raise pa.ArrowInvalid(f"the column {name!r} must not hold nulls")
    return lengths.to_numpy(), items.to_numpy()

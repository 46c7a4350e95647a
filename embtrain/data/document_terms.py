"""The ``document_terms`` table as a sparse matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.sparse import csr_array

from embtrain.errors import SnapshotError
from embtrain.manifest import Snapshot
from embtrain.schema import DOCUMENT_TERMS


@dataclass(frozen=True)
class DocumentTerms:
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
        SnapshotError: if it is absent or damaged, or has a term that is not in the vocabulary.
    """
    if DOCUMENT_TERMS.name not in snapshot.tables:
        raise SnapshotError(
            f"the snapshot {snapshot.location} has no table {DOCUMENT_TERMS.name!r}; put `tables: [document_terms]` "
            "into the run file, and run prepare again"
        )
    folder, manifest = snapshot.table(DOCUMENT_TERMS)
    try:
        tables = [pq.read_table(f"{folder.path}/{part.name}", filesystem=folder.filesystem) for part in manifest.parts]
    except (pa.ArrowException, OSError) as error:
        raise SnapshotError(f"cannot read {folder}: {error}; run prepare again") from None
    table = pa.concat_tables(tables)
    lengths = [table["terms"].chunk(i).value_lengths().to_numpy() for i in range(table["terms"].num_chunks)]
    terms = np.concatenate([np.zeros(0, np.int32), *(chunk.flatten().to_numpy() for chunk in table["terms"].chunks)])
    counts = np.concatenate([np.zeros(0, np.int32), *(chunk.flatten().to_numpy() for chunk in table["counts"].chunks)])
    if terms.size and (terms.min() < 0 or terms.max() >= vocab_size):
        raise SnapshotError(
            f"{folder} holds terms {terms.min()} to {terms.max()}, but the vocabulary has {vocab_size} tokens; "
            "the tables do not belong together: run prepare again"
        )
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate([np.zeros(0, np.int64), *lengths]))])
    matrix = csr_array((counts.astype(np.float32), terms, offsets), shape=(table.num_rows, vocab_size))
    return DocumentTerms(table.select(["document", "source", "beginning"]), matrix)

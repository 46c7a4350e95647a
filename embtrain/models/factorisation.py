"""The models that count and factorise, without training: PPMI-SVD and LSA.

They are the baselines that the trained models have to beat, and are made in one go: there is nothing to resume.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csr_array

from embtrain.config import LsaSettings, PpmiSvdSettings
from embtrain.data.document_terms import read_document_terms
from embtrain.data.sparse import matrix_of_rows
from embtrain.data.stripes import StripeTable
from embtrain.errors import CorpusError
from embtrain.manifest import Snapshot
from embtrain.models.svd import Svd, truncated_svd
from embtrain.models.weighting import context_log_probability, positive_pmi, tf_idf


@dataclass(frozen=True)
class Factors:
    """What a factorisation gives.

    Attributes:
        words: their vectors; that of a word without any count is 0. Shape ``(V, D)``, float32.
        singular_values: descending. Shape ``(D,)``, float32.
        documents: for LSA, a row a document: how it is known, and its ``vector`` of D numbers.
    """

    words: npt.NDArray[np.float32]
    singular_values: npt.NDArray[np.float32]
    documents: pa.Table | None = None


def factorise(
    settings: PpmiSvdSettings | LsaSettings, snapshot: Snapshot, vocab_size: int, *, threads: int, seed: int
) -> Factors:
    """Read the counts of a snapshot and factorise them.

    Raises:
        SnapshotError: if the table of counts is absent, damaged, or not of this vocabulary.
        CorpusError: if nothing is left to factorise.
        ConfigError: if ``dim`` is above the rank.
    """
    if isinstance(settings, LsaSettings):
        return _lsa(settings, snapshot, vocab_size, threads=threads, seed=seed)
    return _ppmi_svd(settings, snapshot, vocab_size, threads=threads, seed=seed)


def _ppmi_svd(settings: PpmiSvdSettings, snapshot: Snapshot, vocab_size: int, *, threads: int, seed: int) -> Factors:
    """Factorise positive PMI: vectors are U S^p (Levy et al., 2015, sections 2.2 and 3.3)."""
    rows, matrix = ppmi_matrix(StripeTable(snapshot), vocab_size, settings)
    if not matrix.nnz:
        raise CorpusError(
            f"no pair of words has a PMI above log(model.shift={settings.shift:g}); lower it, or add text"
        )
    svd = truncated_svd(matrix, settings.dim, threads=threads, seed=seed)
    words = np.zeros((vocab_size, settings.dim), np.float32)
    words[rows] = svd.left * svd.singular_values**settings.eigenvalue_weight
    return Factors(words, svd.singular_values)


def ppmi_matrix(
    table: StripeTable, vocab_size: int, settings: PpmiSvdSettings
) -> tuple[npt.NDArray[np.int32], csr_array]:
    """Read the co-occurrences twice: for the sums of the columns, and to weigh them.

    Only the cells that are positive are held.

    Returns:
        The ids of the matrix's rows, in the order of the table, and the matrix. Shapes ``(R,)`` and ``(R, V)``.

    Raises:
        SnapshotError: if the table is damaged, or not of this vocabulary.
        CorpusError: if it is empty.
    """
    column_sums = np.zeros(vocab_size, np.float64)
    for stripes in table.read_checked(vocab_size):
        column_sums += np.bincount(stripes.columns, stripes.weights, minlength=vocab_size)
    if not column_sums.any():
        raise CorpusError("the table 'cooccurrence' is empty: no two words of the vocabulary share a window; add text")
    log_probability = context_log_probability(column_sums, settings.context_smoothing)
    weighed = [positive_pmi(stripes, log_probability, settings.shift) for stripes in table.read()]
    rows, offsets, columns, weights = (list(arrays) for arrays in zip(*weighed, strict=True))
    del weighed
    lengths = np.concatenate([np.diff(part) for part in offsets])
    matrix = matrix_of_rows(_joined(weights), _joined(columns), lengths, vocab_size)
    return np.concatenate(rows), matrix


def _joined(parts: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Put parts end to end, and let go of them: they are as large as the whole."""
    whole = np.concatenate(parts)
    parts.clear()
    return whole


def _lsa(settings: LsaSettings, snapshot: Snapshot, vocab_size: int, *, threads: int, seed: int) -> Factors:
    """Factorise TF-IDF (Deerwester et al., 1990): words are V S^p, documents U S, as scikit-learn's TruncatedSVD."""
    documents, counts = read_document_terms(snapshot, vocab_size)
    if not counts.nnz:
        raise CorpusError(f"the snapshot {snapshot.location} has no document with a word of the vocabulary; add text")
    matrix = tf_idf(counts)
    del counts  # as large as what it was weighed to
    svd: Svd = truncated_svd(matrix, settings.dim, threads=threads, seed=seed)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array((svd.left * svd.singular_values).ravel()), settings.dim)
    return Factors(
        words=np.ascontiguousarray(svd.right * svd.singular_values**settings.eigenvalue_weight),
        singular_values=svd.singular_values,
        documents=documents.append_column("vector", vectors),
    )

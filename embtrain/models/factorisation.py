"""The models that count and factorise, without training: PPMI-SVD and LSA.

They are the baselines that the trained models have to beat, and are made in one go: there is nothing to resume.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csr_array

from embtrain.config import LsaSettings, PpmiSvdSettings
from embtrain.data.document_terms import read_document_terms
from embtrain.data.stripes import Stripes, StripeTable
from embtrain.errors import CorpusError, SnapshotError
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
    """
    column_sums = np.zeros(vocab_size, np.float64)
    for stripes in table.read():
        _check_ids(table, stripes, vocab_size)
        column_sums += np.bincount(stripes.columns, stripes.weights, minlength=vocab_size)
    log_probability = context_log_probability(column_sums, settings.context_smoothing)
    weighed = [positive_pmi(stripes, log_probability, settings.shift) for stripes in table.read()]
    if not weighed:
        raise CorpusError(f"{table.folder} holds no co-occurrences; add text, and run prepare again")
    lengths = np.concatenate([np.diff(stripes.offsets) for stripes in weighed])
    matrix = csr_array(
        (
            np.concatenate([stripes.weights for stripes in weighed]),
            np.concatenate([stripes.columns for stripes in weighed]),
            np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]),
        ),
        shape=(lengths.size, vocab_size),
    )
    return np.concatenate([stripes.rows for stripes in weighed]), matrix


def _check_ids(table: StripeTable, stripes: Stripes, vocab_size: int) -> None:
    highest = max(stripes.rows.max(initial=0), stripes.columns.max(initial=0))
    if highest >= vocab_size:
        raise SnapshotError(
            f"{table.folder} holds the id {highest}, but the vocabulary has {vocab_size} tokens; "
            "the tables do not belong together: run prepare again"
        )


def _lsa(settings: LsaSettings, snapshot: Snapshot, vocab_size: int, *, threads: int, seed: int) -> Factors:
    """Factorise TF-IDF (Deerwester et al., 1990): words are V S^p, documents U S, as scikit-learn's TruncatedSVD."""
    read = read_document_terms(snapshot, vocab_size)
    if not read.counts.nnz:
        raise CorpusError(f"the snapshot {snapshot.location} has no document with a word of the vocabulary; add text")
    svd: Svd = truncated_svd(tf_idf(read.counts), settings.dim, threads=threads, seed=seed)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array((svd.left * svd.singular_values).ravel()), settings.dim)
    return Factors(
        words=np.ascontiguousarray(svd.right * svd.singular_values**settings.eigenvalue_weight),
        singular_values=svd.singular_values,
        documents=read.documents.append_column("vector", vectors),
    )

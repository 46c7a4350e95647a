"""What the factorised models weigh counts by: positive pointwise mutual information, and TF-IDF."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from embtrain.data.stripes import Stripes


def context_log_probability(column_sums: npt.NDArray[np.float64], smoothing: float) -> npt.NDArray[np.float64]:
    """Return log P(c), the counts raised to ``smoothing`` (Levy et al., 2015, section 3.1: 0.75).

    Args:
        column_sums: of the co-occurrences. Shape ``(V,)``.
        smoothing: 1 leaves the counts as they are; less makes rare contexts more likely.

    Returns:
        Shape ``(V,)``; minus infinity where there is no count.
    """
    smoothed = np.where(column_sums > 0, column_sums**smoothing, 0)
    logarithms: npt.NDArray[np.float64] = np.full(column_sums.size, -np.inf)
    np.log(smoothed / smoothed.sum(), where=column_sums > 0, out=logarithms)
    return logarithms


def positive_pmi(stripes: Stripes, context_log_probability: npt.NDArray[np.float64], shift: float) -> Stripes:
    """Replace counts by max(0, PMI - log shift) and leave out what is 0 (Levy and Goldberg, 2014, eq. 11).

    PMI is log P(w, c) / (P(w) P(c)), and P(w, c) / P(w) is the cell's share of its row.

    Args:
        stripes: whole rows of the co-occurrences.
        context_log_probability: from :func:`context_log_probability`.
        shift: the number of negatives that skip-gram would have; 1 for none.

    Returns:
        Stripes of the same rows.
    """
    lengths = np.diff(stripes.offsets)
    row_sums = np.add.reduceat(stripes.weights, stripes.offsets[:-1], dtype=np.float64)
    values = np.log(stripes.weights, dtype=np.float64)
    values -= context_log_probability[stripes.columns]
    values -= np.repeat(np.log(row_sums) + np.log(shift), lengths)
    positive = values > 0
    kept_before = np.concatenate([np.zeros(1, np.int64), np.cumsum(positive)])
    return Stripes(
        stripes.rows,
        kept_before[stripes.offsets],
        stripes.columns[positive],
        values[positive].astype(np.float32),
    )


def tf_idf(counts: csr_array) -> csr_array:
    """Weigh terms by how few documents have them, and bring documents to length 1.

    As scikit-learn's TfidfTransformer: the count times ``ln((1 + N) / (1 + n)) + 1``, N documents of which n have
    the term.

    Args:
        counts: documents in rows; none of them 0. Shape ``(N, V)``, float32.

    Returns:
        A matrix that shares its columns' ids with ``counts``.
    """
    num_documents, num_terms = counts.shape
    having = np.bincount(counts.indices, minlength=num_terms)
    idf = (np.log((1 + num_documents) / (1 + having)) + 1).astype(np.float32)
    weights = counts.data * idf[counts.indices]
    squares = csr_array((weights**2, counts.indices, counts.indptr), shape=counts.shape)
    weights /= np.repeat(np.sqrt(squares @ np.ones(num_terms, np.float32)), np.diff(counts.indptr))
    return csr_array((weights, counts.indices, counts.indptr), shape=counts.shape)

"""PPMI-SVD and LSA: what they weigh counts by, and what they make of them."""

import numpy as np
import pytest
from scipy.sparse import csr_array, random_array
from scipy.stats import ortho_group
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer

from embtrain.data.stripes import Stripes
from embtrain.errors import ConfigError
from embtrain.models.svd import truncated_svd
from embtrain.models.weighting import context_log_probability, positive_pmi, tf_idf

COUNTS = np.array([[0, 4, 1, 0], [4, 0, 2, 0], [1, 2, 6, 1]], np.float32)


def stripes_of(dense):
    rows, columns = np.nonzero(dense)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(dense)))])
    ids = np.arange(len(dense), dtype=np.int32)
    return Stripes(ids, offsets, columns.astype(np.int32), dense[rows, columns])


def dense_of(stripes, shape):
    return csr_array((stripes.weights, stripes.columns, stripes.offsets), shape=shape).toarray()


def random_counts(seed=3, shape=(60, 45)):
    random = np.random.default_rng(seed)
    sparse = random_array(shape, density=0.3, rng=random, data_sampler=lambda size: random.integers(1, 9, size=size))
    return csr_array(sparse, dtype=np.float32)


@pytest.mark.parametrize("smoothing", [1.0, 0.75, 0.0])
@pytest.mark.parametrize("shift", [1.0, 5.0, 0.5])
def test_positive_pmi_is_the_log_of_how_much_more_often_words_meet_than_by_chance(smoothing, shift):
    context = COUNTS.sum(axis=0) ** smoothing * (COUNTS.sum(axis=0) > 0)
    chance = np.outer(COUNTS.sum(axis=1), context / context.sum())
    with np.errstate(divide="ignore"):
        expected = np.maximum(np.log(COUNTS / chance) - np.log(shift), 0)
    log_probability = context_log_probability(COUNTS.sum(axis=0, dtype=np.float64), smoothing)
    weighed = positive_pmi(stripes_of(COUNTS), log_probability, shift)
    np.testing.assert_allclose(dense_of(weighed, COUNTS.shape), expected, rtol=1e-5, atol=1e-6)


def test_positive_pmi_holds_no_zeros():
    log_probability = context_log_probability(COUNTS.sum(axis=0, dtype=np.float64), 1.0)
    assert (positive_pmi(stripes_of(COUNTS), log_probability, 1.0).weights > 0).all()


def test_a_context_without_a_count_has_no_probability():
    np.testing.assert_array_equal(
        context_log_probability(np.array([2.0, 0.0, 2.0]), 0.0), [np.log(0.5), -np.inf, np.log(0.5)]
    )


def test_tf_idf_is_that_of_scikit_learn():
    counts = random_counts()
    np.testing.assert_allclose(tf_idf(counts).toarray(), TfidfTransformer().fit_transform(counts).toarray(), rtol=1e-5)


def test_a_document_without_a_term_stays_without():
    assert tf_idf(csr_array(np.array([[0, 0], [1, 3]], np.float32))).toarray()[0].tolist() == [0, 0]


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("transposed", [False, True])
def test_singular_values_are_those_of_the_dense_matrix(threads, transposed):
    matrix = random_counts().T.tocsr() if transposed else random_counts()
    svd = truncated_svd(matrix, 8, threads=threads, seed=1)
    np.testing.assert_allclose(svd.singular_values, np.linalg.svd(matrix.toarray())[1][:8], rtol=1e-4)


def test_the_factors_multiply_to_the_best_approximation():
    matrix = random_counts()
    svd = truncated_svd(matrix, 10, threads=2, seed=1)
    left, values, right = np.linalg.svd(matrix.toarray().astype(np.float64), full_matrices=False)
    best = left[:, :10] * values[:10] @ right[:10]
    np.testing.assert_allclose(svd.left * svd.singular_values @ svd.right.T, best, atol=1e-3)


def test_documents_are_those_of_scikit_learn():
    weighted = tf_idf(random_counts())
    svd = truncated_svd(weighted, 6, threads=2, seed=1)
    peer = TruncatedSVD(6, algorithm="arpack", random_state=1).fit_transform(weighted)
    np.testing.assert_allclose(np.abs(svd.left * svd.singular_values), np.abs(peer), atol=1e-4)


@pytest.mark.parametrize("seed", [1, 2])
def test_signs_and_values_do_not_depend_on_the_start(seed):
    one = truncated_svd(random_counts(), 5, threads=1, seed=0)
    other = truncated_svd(random_counts(), 5, threads=2, seed=seed)
    np.testing.assert_allclose(one.left, other.left, atol=1e-3)


def test_more_dimensions_than_rows_are_refused():
    with pytest.raises(ConfigError, match=r"model.dim=45 must be below .* which are 60 and 45"):
        truncated_svd(random_counts(), 45, threads=1, seed=1)


def test_more_dimensions_than_the_rank_are_refused():
    basis = ortho_group.rvs(30, random_state=1)[:, :4]
    with pytest.raises(ConfigError, match=r"model\.dim=6 is above the rank of the matrix, which is 4"):
        truncated_svd(csr_array((basis * [9, 7, 5, 3] @ basis.T).astype(np.float32)), 6, threads=1, seed=1)

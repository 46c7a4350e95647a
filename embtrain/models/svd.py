"""Truncated singular value decomposition of large sparse matrices, by ARPACK, on several threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator, svds
from threadpoolctl import threadpool_limits

from embtrain.errors import ConfigError
from embtrain.kernels.sparse import multiply_rows

_RANK_TOLERANCE = 1e-5
"""Singular values below this share of the largest are noise of float32."""


@dataclass(frozen=True)
class Svd:
    """``left * singular_values @ right.T`` is the best approximation of the matrix of its rank.

    Attributes:
        left: orthonormal columns. Shape ``(R, D)``, float32.
        singular_values: descending. Shape ``(D,)``, float32.
        right: orthonormal columns. Shape ``(C, D)``, float32.
    """

    left: npt.NDArray[np.float32]
    singular_values: npt.NDArray[np.float32]
    right: npt.NDArray[np.float32]


def truncated_svd(matrix: csr_array, dim: int, *, threads: int, seed: int) -> Svd:
    """Compute the largest ``dim`` singular values and their vectors (Lehoucq et al., 1998: ARPACK, through SciPy).

    PROPACK needs half the products, and five times the memory: vectors of all documents, several hundred of them.
    Of each pair of vectors the right one's largest number is positive, so that signs do not depend on chance.

    Args:
        matrix: shape ``(R, C)``, float32.
        dim: how many.
        threads: that multiply at the same time.
        seed: of the vector that ARPACK starts from.

    Raises:
        ConfigError: if the matrix has not so many singular values, or so many that are not 0.
    """
    if dim >= min(matrix.shape):
        raise ConfigError(
            f"model.dim={dim} must be below the number of rows and of columns of the matrix, which are "
            f"{matrix.shape[0]:,} and {matrix.shape[1]:,}; lower it, or add text"
        )
    start = np.random.default_rng(seed).standard_normal(min(matrix.shape)).astype(np.float32)
    # The threads of a linear algebra library wait for its next call by spinning, on the cores that ours multiply on.
    with ThreadPoolExecutor(threads, thread_name_prefix="multiply") as pool, threadpool_limits(1, user_api="blas"):
        operator = _ThreadedMatrix(matrix, pool, threads)
        # Of 2 dim + 1 vectors, SciPy's default, keeping them orthogonal takes longer than the products saved.
        basis = min(3 * dim // 2 + 10, *matrix.shape)
        left, singular_values, right = svds(operator, k=dim, v0=start, ncv=basis, solver="arpack")
    order = np.argsort(-singular_values)
    left, singular_values, right = left[:, order], singular_values[order], right[order].T
    rank = int((singular_values > _RANK_TOLERANCE * singular_values[0]).sum())
    if rank < dim:
        raise ConfigError(f"model.dim={dim} is above the rank of the matrix, which is {rank}; lower it, or add text")
    signs = np.sign(right[np.abs(right).argmax(axis=0), np.arange(dim)])
    return Svd(np.ascontiguousarray(left * signs), singular_values, np.ascontiguousarray(right * signs))


class _ThreadedMatrix(LinearOperator):  # type: ignore[misc]
    """A sparse matrix whose rows, and whose transpose's rows, are multiplied by several threads."""

    def __init__(self, matrix: csr_array, pool: ThreadPoolExecutor, threads: int) -> None:
        super().__init__(np.dtype(np.float32), matrix.shape)
        self._pool = pool
        self._rows, self._columns = _Half(matrix, threads), _Half(matrix.T.tocsr(), threads)

    def _matvec(self, vector: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return self._rows.multiply(vector, self._pool)

    def _rmatvec(self, vector: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return self._columns.multiply(vector, self._pool)


class _Half:
    """A matrix by its rows, cut into runs of as many cells for each thread."""

    def __init__(self, matrix: csr_array, threads: int) -> None:
        columns = matrix.indices.astype(np.int32, copy=False).view(np.uint32)
        self._arrays = matrix.indptr.astype(np.uint64), columns, matrix.data
        self._size = matrix.shape[0]
        inner = np.searchsorted(self._arrays[0], np.linspace(0, matrix.nnz, threads + 1)[1:-1])
        self._runs = list(pairwise([0, *inner.tolist(), self._size]))

    def multiply(self, vector: npt.NDArray[np.float32], pool: ThreadPoolExecutor) -> npt.NDArray[np.float32]:
        product = np.empty(self._size, np.float32)
        flat = np.ascontiguousarray(vector, np.float32).reshape(-1)
        list(pool.map(lambda run: multiply_rows(*self._arrays, flat, product, *run), self._runs))
        return product

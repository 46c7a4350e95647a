"""Rows of numbers in a byte for every few of them: product quantisation (Jégou et al., 2011).

Each row is scaled to length 1 and cut into pieces of a few numbers. Of each piece, place by place, only the number of
the nearest of 256 centroids is kept; of the row, its length. fastText compresses its models in the same way
(Joulin et al., 2016, section 3.2).

Shapes: N rows, D numbers per row, M pieces, S numbers per piece; the last piece ends in zeros if M * S is above D.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from embtrain.vectors import Floats, scaled_to_length_one

NUM_CENTROIDS = 256
"""What one byte can tell apart."""

PIECE = 2
"""Numbers per piece: fastText's choice too."""

# k-means sees so many rows at most: 256 for each centroid, as fastText does.
_MAX_SAMPLE = 2**16
_ITERATIONS = 10

_ROWS_AT_A_TIME = 2**16


class Rows(Protocol):
    """Rows of numbers, in memory, mapped from a file or quantised: some of them at a time are wanted."""

    @property
    def shape(self) -> tuple[int, ...]:
        """How many rows, and numbers per row."""

    def __len__(self) -> int: ...

    def __getitem__(self, wanted: Any, /) -> Any: ...


@dataclass(frozen=True)
class QuantisedRows:
    """Rows that are decoded when they are asked for: ``rows[[3, 7]]`` gives ``(2, D)`` float32.

    Raises:
        ValueError: if the arrays do not fit together, or hold NaN or infinity.
    """

    codes: NDArray[np.uint8]
    """The centroid of each piece. Shape ``(N, M)``."""
    centroids: Floats
    """Shape ``(M, 256, S)``."""
    lengths: Floats
    """Of the rows. Shape ``(N,)``."""
    dim: int

    def __post_init__(self) -> None:
        if self.codes.ndim != 2 or self.codes.dtype != np.uint8:  # noqa: PLR2004 -- a matrix
            raise ValueError(f"expected codes (rows, pieces) uint8, found {self.codes.shape} {self.codes.dtype}")
        (num_rows, num_pieces), shape = self.codes.shape, self.centroids.shape
        if shape[:2] != (num_pieces, NUM_CENTROIDS) or not 0 <= num_pieces * shape[-1] - self.dim < shape[-1]:
            raise ValueError(f"{num_pieces} codes a row and centroids {shape} make no vectors of {self.dim} numbers")
        if self.lengths.shape != (num_rows,):
            raise ValueError(f"{num_rows} rows, but lengths of shape {self.lengths.shape}")
        if not (np.isfinite(self.centroids).all() and np.isfinite(self.lengths).all()):
            raise ValueError("a centroid or length is NaN or infinity")

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Return N and D."""
        return len(self.codes), self.dim

    def take(self, wanted: slice | NDArray[np.intp]) -> QuantisedRows:
        """Return some rows as they are, quantised."""
        return replace(self, codes=self.codes[wanted], lengths=self.lengths[wanted])

    def __getitem__(self, wanted: slice | NDArray[np.intp]) -> Floats:
        """Return some rows, ``(n, D)``."""
        codes = self.codes[wanted]
        pieces = self.centroids[np.arange(codes.shape[1]), codes]
        rows = pieces.reshape(len(codes), codes.shape[1] * pieces.shape[-1])[:, : self.dim]
        return cast("Floats", rows * self.lengths[wanted][:, None])


def quantise(rows: Rows) -> QuantisedRows:
    """Keep a byte for every two numbers of the rows ``(N, D)``. The same rows give the same result."""
    # scipy takes a while to import, and reading needs none of it.
    from scipy.cluster.vq import vq  # noqa: PLC0415

    random = np.random.default_rng(0)
    sample = np.sort(random.permutation(len(rows))[:_MAX_SAMPLE])
    centroids = np.stack([best_centroids(pieces, random) for pieces in _cut(rows[sample])])
    codes = np.empty((len(rows), len(centroids)), np.uint8)
    lengths = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), _ROWS_AT_A_TIME):
        some = slice(start, start + _ROWS_AT_A_TIME)
        block = np.asarray(rows[some], np.float32)
        lengths[some] = np.linalg.norm(block, axis=1)
        codes[some] = np.stack([vq(*pair)[0] for pair in zip(_cut(block), centroids, strict=True)], axis=1)
    return QuantisedRows(codes, centroids, lengths, rows.shape[1])


def best_centroids(pieces: Floats, random: np.random.Generator) -> Floats:
    """Return what pieces ``(N, S)`` of one place are best replaced by, ``(256, S)``; of 256 or fewer, themselves."""
    from scipy.cluster.vq import kmeans2  # noqa: PLC0415

    distinct = np.unique(pieces, axis=0)
    if len(distinct) <= NUM_CENTROIDS:
        return np.pad(distinct, ((0, NUM_CENTROIDS - len(distinct)), (0, 0)))
    start = random.choice(distinct, NUM_CENTROIDS, replace=False)
    found: Floats = kmeans2(pieces, start, _ITERATIONS, minit="matrix")[0]
    return found


def _cut(rows: Floats) -> Floats:
    """Return rows ``(N, D)`` scaled to length 1 and cut into pieces ``(M, N, S)``."""
    scaled = scaled_to_length_one(np.asarray(rows, np.float32))
    padded = np.pad(scaled, ((0, 0), (0, -scaled.shape[1] % PIECE)))
    return np.ascontiguousarray(padded.reshape(len(rows), padded.shape[1] // PIECE, PIECE).swapaxes(0, 1))

"""Quantised matrices of fastText's files.

A byte that tells whether lengths are kept apart; rows N and columns D, int64; the number of codes, int32; the codes;
the quantiser of the rows; and, if lengths are kept apart, the code of each row's length and the quantiser of lengths.

A quantiser is four int32: D, its pieces M, their numbers S, those of the last piece; then for each piece 256 centroids.
"""

from __future__ import annotations

from struct import Struct
from typing import IO

import numpy as np
from numpy.typing import NDArray

from embtrain.errors import FormatError
from embtrain.formats.fasttext.cursor import Cursor
from embtrain.quantised_rows import NUM_CENTROIDS, QuantisedRows, best_centroids
from embtrain.vectors import Floats

_HEADER = Struct("<?qqi")
_QUANTISER = Struct("<iiii")


def read_quantised(source: Cursor, what: str) -> QuantisedRows:
    """Read a matrix; its rows are decoded when they are asked for.

    Raises:
        FormatError: if sizes do not belong together, or the file ends too early.
    """
    has_lengths, num_rows, dim, num_codes = source.take(_HEADER, what)
    if num_rows <= 0 or dim <= 0 or num_codes <= 0 or num_codes % num_rows:
        raise FormatError(f"{source.path}: {what} has {num_codes} codes for {num_rows} rows of {dim}: it is damaged")
    codes = source.take_array(np.uint8, (num_rows, num_codes // num_rows), what)
    centroids = _read_quantiser(source, dim, what)
    if len(centroids) != codes.shape[1]:
        raise FormatError(f"{source.path}: {what} has {codes.shape[1]} codes a row for {len(centroids)} pieces")
    lengths: Floats = np.ones(num_rows, np.float32)
    if has_lengths:
        length_codes = source.take_array(np.uint8, (num_rows,), what)
        lengths = _read_quantiser(source, 1, what)[0, length_codes, 0]
    return QuantisedRows(codes, centroids, lengths, dim)


def _read_quantiser(source: Cursor, dim: int, what: str) -> Floats:
    """Return the centroids, ``(M, 256, S)``; the last piece is filled up with zeros."""
    found, pieces, size, last = source.take(_QUANTISER, what)
    if found != dim or not 0 < last <= size or (pieces - 1) * size + last != dim:
        raise FormatError(
            f"{source.path}: {what} has {pieces} pieces of {size} and {last} numbers for rows of {dim}: it is damaged"
        )
    # The file is asked first, which refuses more than it holds before memory is taken.
    numbers = source.take_array("<f4", (dim * NUM_CENTROIDS,), what)
    width = size if pieces > 1 else last
    centroids = np.zeros((pieces, NUM_CENTROIDS, width), np.float32)
    whole = (pieces - 1) * NUM_CENTROIDS * width
    centroids[:-1] = numbers[:whole].reshape(pieces - 1, NUM_CENTROIDS, width)
    centroids[-1, :, :last] = numbers[whole:].reshape(NUM_CENTROIDS, last)
    return centroids


def write_quantised(file: IO[bytes], rows: QuantisedRows) -> None:
    """Write a matrix, lengths apart. Of more than 256 different lengths, each becomes the nearest of 256."""
    num_rows, dim = rows.shape
    file.write(_HEADER.pack(True, num_rows, dim, rows.codes.size))
    file.write(np.ascontiguousarray(rows.codes).data)
    _write_quantiser(file, rows.centroids, dim)
    known, codes = _quantised_lengths(rows.lengths)
    file.write(codes.data)
    _write_quantiser(file, known, 1)


def _write_quantiser(file: IO[bytes], centroids: Floats, dim: int) -> None:
    pieces, _, size = centroids.shape
    last = dim - (pieces - 1) * size
    file.write(_QUANTISER.pack(dim, pieces, size, last))
    file.write(np.ascontiguousarray(centroids[:-1], "<f4").data)
    file.write(np.ascontiguousarray(centroids[-1, :, :last], "<f4").data)


def _quantised_lengths(lengths: Floats) -> tuple[Floats, NDArray[np.uint8]]:
    """Return 256 lengths, ``(1, 256, 1)``, and which of them is nearest to each, ``(N,)``."""
    known = np.sort(best_centroids(lengths[:, None], np.random.default_rng(0)), axis=0)
    borders = (known[1:, 0] + known[:-1, 0]) / 2
    return known[None], np.searchsorted(borders, lengths).astype(np.uint8)

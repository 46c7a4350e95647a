"""Quantised matrices of fastText's files.

A byte that tells whether lengths are kept apart; rows N and columns D, int64; the number of codes, int32; the codes;
the quantiser of the rows; and, if lengths are kept apart, the code of each row's length and the quantiser of lengths.

A quantiser is four int32: D, its pieces M, their numbers S, those of the last piece; then for each piece 256 centroids.
"""

from __future__ import annotations

from struct import Struct

import numpy as np

from embtrain.errors import FormatError
from embtrain.formats.fasttext.cursor import Cursor
from embtrain.quantised_rows import NUM_CENTROIDS, QuantisedRows
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
    centroids = np.zeros((pieces, NUM_CENTROIDS, size), np.float32)
    numbers = source.take_array("<f4", (dim * NUM_CENTROIDS,), what)
    whole = (pieces - 1) * NUM_CENTROIDS * size
    centroids[:-1] = numbers[:whole].reshape(pieces - 1, NUM_CENTROIDS, size)
    centroids[-1, :, :last] = numbers[whole:].reshape(NUM_CENTROIDS, last)
    return centroids

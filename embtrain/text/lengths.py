"""How long sentences and tokens are, and may be."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from embtrain.text.utf8 import utf8_bytes


def count_tokens(tokenised: pa.Array) -> pa.Array:
    """Count the tokens, separated by single blanks, of texts that have some: int32, shape ``(S,)``."""
    data, bounds = utf8_bytes(tokenised)
    # Three times as fast as pyarrow.compute.count_substring.
    return pa.array(np.diff(np.searchsorted(_blanks(data), bounds)) + 1, pa.int32())


def cut_long(tokenised: pa.Array, max_tokens: int) -> pa.Array:
    """Cut sentences of more than ``max_tokens`` tokens in pieces of so many, the last one shorter.

    Args:
        tokenised: string array, shape ``(S,)``: tokens separated by single blanks.
        max_tokens: at least 1.

    Returns:
        String array of the same form, shape ``(P,)``, P >= S, with the same tokens in the same order.
    """
    tokens = pc.split_pattern(tokenised, " ")
    offsets = tokens.offsets.to_numpy()
    pieces = -(-np.diff(offsets) // max_tokens)
    # Piece k of a sentence begins k * max_tokens after the sentence does.
    first_piece = np.cumsum(pieces) - pieces
    piece_of_sentence = np.arange(pieces.sum()) - np.repeat(first_piece, pieces)
    starts = np.repeat(offsets[:-1], pieces) + max_tokens * piece_of_sentence
    cut = np.append(starts, offsets[-1]).astype(np.int32)
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(cut), tokens.values), " ")


def drop_long_tokens(tokenised: pa.Array, max_characters: int) -> tuple[pa.Array, pa.Array]:
    """Leave out tokens of more than ``max_characters`` characters: encoded files, sequences of genes, noise.

    Args:
        tokenised: string array, shape ``(S,)``: tokens separated by single blanks.
        max_characters: at least 1, at most 999.

    Returns:
        String array of the same form, and how many tokens each text has lost, int32; both of shape ``(S,)``.
    """
    data, _ = utf8_bytes(tokenised)
    # Bytes from blank to blank: at least as many as the characters of any token there.
    if np.diff(_blanks(data), prepend=-1, append=len(data)).max() <= max_characters + 1:
        return tokenised, pa.array(np.zeros(len(tokenised), np.int32))
    too_long = f"[^ ]{{{max_characters + 1},}}"
    kept = pc.utf8_rtrim(pc.replace_substring_regex(tokenised, f"{too_long} ?", ""), " ")
    return kept, pc.count_substring_regex(tokenised, too_long)


def _blanks(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    return np.flatnonzero(data == ord(" "))

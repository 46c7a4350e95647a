"""The character n-grams of words, hashed into buckets exactly as fastText does.

A model that was trained on these buckets looks the n-grams of new words up by the same function, so this needs
neither Spark nor a compiler.
"""

from __future__ import annotations

import unicodedata
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from embtrain.text.jamo import decompose
from embtrain.text.utf8 import utf8_bytes

Units = Literal["syllables", "jamo"]

# FNV-1a, 32 bits.
_OFFSET_BASIS = np.uint32(2166136261)
_PRIME = np.uint32(16777619)

# The highest two bits of the bytes that go on with a character in UTF-8.
_CONTINUATION = np.uint8(0x80)

# What fastText writes for the end of a line: the one word that it does not take apart.
_END_OF_LINE = "</s>"

# Between words while they are taken apart together: half of a surrogate pair, which no string in UTF-8 has.
_BORDER = "\ud800"


def subword_buckets(
    words: pa.Array, *, min_n: int, max_n: int, buckets: int, units: Units = "syllables"
) -> pa.ListArray:
    """Hash the n-grams of ``<word>`` into buckets (Bojanowski et al., 2017, section 3.2).

    As fastText's ``Dictionary::computeSubwords``: by the first character, then by length; n-grams that occur twice
    are there twice; ``<`` or ``>`` alone is none; a character is as many bytes as UTF-8 gives it; and FNV-1a takes
    each byte as a signed number, so that bytes above 127 differ from the published hash.

    Args:
        words: string array, shape ``(N,)``; for ``jamo`` in any normal form.
        min_n: characters of the shortest n-grams, at least 1.
        max_n: characters of the longest.
        buckets: how many there are, below 2**31.
        units: what n characters are: those of the word as it is written, for Korean syllables; or, with ``jamo``,
            the letters of these (Park et al., 2018, ACL P18-1226), three a syllable.

    Returns:
        Lists of int32 in ``[0, buckets)``, shape ``(N,)``.
    """
    if units == "jamo":
        # All at once: a call for each of a million words would take longer than the hashing.
        together = decompose(unicodedata.normalize("NFC", _BORDER.join(words.to_pylist())))
        words = pa.array(together.split(_BORDER)[: len(words)], pa.string())
    text, word_starts = utf8_bytes(pc.binary_join_element_wise("<", words, ">", ""))
    starts = np.flatnonzero((text & 0xC0) != _CONTINUATION)
    first_character = np.searchsorted(starts, word_starts)
    lengths = np.diff(first_character)
    max_n = min(max_n, int(lengths.max(initial=1)))  # a model read from a file may say 1000
    # Of each character: how many follow it in its word, itself included.
    remaining = np.repeat(first_character[1:], lengths) - np.arange(starts.size)
    position = np.arange(starts.size) - np.repeat(first_character[:-1], lengths)

    sizes = np.arange(1, max_n + 1)
    wanted = (sizes >= min_n) & (sizes <= remaining[:, None])
    wanted[:, 0] &= (position > 0) & (remaining > 1)
    wanted &= np.repeat(pc.not_equal(words, _END_OF_LINE).to_numpy(zero_copy_only=False), lengths)[:, None]

    hashes = _prefix_hashes(text, starts, max_n)[wanted]
    ends = np.append(0, np.cumsum(wanted.sum(axis=1)))[first_character]
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(hashes % np.uint32(buckets), pa.int32()))


def _prefix_hashes(text: npt.NDArray[np.uint8], starts: npt.NDArray[np.intp], max_n: int) -> npt.NDArray[np.uint32]:
    """Hash the 1, 2, … max_n characters from each character on, past the ends of words too.

    Args:
        text: UTF-8. Shape ``(B,)``.
        starts: first byte of each of its C characters. Shape ``(C,)``.
        max_n: characters of the longest n-grams.

    Returns:
        Shape ``(C, max_n)``; what passes the end of the text has no meaning.
    """
    # After the last character stand some of no bytes, which leave the hash as it is.
    widths = np.append(np.diff(np.append(starts, text.size)), np.zeros(max_n, np.intp))
    starts = np.append(starts, np.zeros(max_n, np.intp))
    signed = text.view(np.int8).astype(np.int32).view(np.uint32)
    steps = [(widths > k, signed[np.where(widths > k, starts + k, 0)]) for k in range(widths.max(initial=0))]

    size = starts.size - max_n
    hashes = np.empty((size, max_n), np.uint32)
    state = np.full(size, _OFFSET_BASIS)
    for n in range(max_n):
        for has_byte, byte in steps:
            state = np.where(has_byte[n : n + size], (state ^ byte[n : n + size]) * _PRIME, state)
        hashes[:, n] = state
    return hashes

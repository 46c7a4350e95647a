"""Words encoded once: what the convolutions make of a word depends on nothing but its characters."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from embtrain.models.elmo.characters import CharacterEncoder
from embtrain.text.characters import word_characters, word_lengths
from embtrain.text.utf8 import utf8_texts

WORDS_AT_ONCE = 512
"""Convolutions of so many words fit into a hundred megabytes or two at the published size."""

MAX_WORDS = 200_000
"""Beyond so many the cache starts anew: a text in which each word is another must not fill the memory."""


class WordCache:
    """Encodes words, and keeps what came out.

    Args:
        encoder: must not change any more.
    """

    def __init__(self, encoder: CharacterEncoder) -> None:
        self._encoder = encoder
        self._encoded: dict[str, Tensor] = {}

    def encode(self, words: Sequence[str]) -> Tensor:
        """Return the vectors of words. Shape ``(N, P)``. Several threads may call it at once."""
        if len(self._encoded) > MAX_WORDS:
            self._encoded = {}
        kept = self._encoded  # which another thread may replace, but not empty
        found = {word: kept[word] for word in dict.fromkeys(words) if word in kept}
        new = [word for word in dict.fromkeys(words) if word not in found]
        # Words of about the same length together: the padding that all of them have is not computed.
        new.sort(key=len)
        for first in range(0, len(new), WORDS_AT_ONCE):
            some = new[first : first + WORDS_AT_ONCE]
            found.update(zip(some, encode_words(self._encoder, some), strict=True))
        kept.update(found)
        return torch.stack([found[word] for word in words])


@torch.inference_mode()
def encode_words(encoder: CharacterEncoder, words: Sequence[str]) -> Tensor:
    """Spell words, and encode them. Shape ``(N, P)``."""
    characters = word_characters(utf8_texts(words))
    read = characters[:, : encoder.characters_read(int(word_lengths(characters).max()))]
    encoded: Tensor = encoder(torch.from_numpy(read).to(encoder.projection.weight.device))
    return encoded

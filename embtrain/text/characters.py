"""The characters of words as ELMo reads them: bytes between two marks, 50 numbers a word.

Exactly as AllenNLP's ``ELMoCharacterMapper``, so that published weights fit. 0 is left free for padding words.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from embtrain.text.utf8 import utf8_bytes

CHARACTERS_PER_WORD = 50
NUM_CHARACTERS = 262
"""Ids in use: 0 for padding words, 256 bytes, and the five marks below."""

# A byte's id is its value and 1.
BEGIN_SENTENCE, END_SENTENCE, BEGIN_WORD, END_WORD, PADDING = range(257, 262)

# How AllenNLP writes the ends of a sentence as words.
_MARKS = {"<S>": BEGIN_SENTENCE, "</S>": END_SENTENCE}


def word_characters(words: pa.Array) -> npt.NDArray[np.int32]:
    """Spell words as character ids (Peters et al., 2018).

    A word is ``BEGIN_WORD``, its first 48 bytes of UTF-8, ``END_WORD``, and ``PADDING`` to the end; ``<S>`` and
    ``</S>`` are the begin and the end of a sentence. A cut may fall within a character.

    Args:
        words: string array, shape ``(N,)``.

    Returns:
        Shape ``(N, 50)``, ids in ``[1, 261]``.
    """
    text, starts = utf8_bytes(words)
    num_bytes = np.minimum(np.diff(starts), CHARACTERS_PER_WORD - 2)
    characters = np.full((len(words), CHARACTERS_PER_WORD), PADDING, np.int32)
    characters[:, 0] = BEGIN_WORD
    position = np.arange(CHARACTERS_PER_WORD - 2)
    is_byte = position < num_bytes[:, None]
    characters[:, 1:-1][is_byte] = text[(starts[:-1, None] + position)[is_byte]] + np.int32(1)
    characters[np.arange(len(words)), num_bytes + 1] = END_WORD
    for mark, character in _MARKS.items():
        characters[pc.equal(words, mark).to_numpy(zero_copy_only=False)] = sentence_mark(character)
    return characters


def word_lengths(characters: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Return how many characters of each word are no padding. Shapes ``(N, 50)`` and ``(N,)``."""
    lengths: npt.NDArray[np.int64] = (characters != PADDING).sum(axis=1)
    return lengths


def sentence_mark(character: int) -> npt.NDArray[np.int32]:
    """Return the word that stands before or after a sentence.

    Args:
        character: ``BEGIN_SENTENCE`` or ``END_SENTENCE``.

    Returns:
        Shape ``(50,)``.
    """
    word = np.full(CHARACTERS_PER_WORD, PADDING, np.int32)
    word[:3] = BEGIN_WORD, character, END_WORD
    return word

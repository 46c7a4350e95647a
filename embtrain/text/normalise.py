"""Unicode normal form, case and digits."""

from __future__ import annotations

import unicodedata
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

# As Matt Mahoney's wikifil.pl does, with which text8 was made.
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def normalise(texts: pa.Array, *, lowercase: bool, digits: Literal["keep", "zero", "spell"] = "keep") -> pa.Array:
    """Bring texts into Unicode's normal form C, without soft hyphens; in lower case, with other digits if wanted.

    Case comes first: ``J̌`` has no composed form, its lower case ``ǰ`` has. Case is mapped letter by
    letter, the same in every language that embtrain knows.

    Args:
        texts: string array, shape ``(N,)``.
        lowercase: False leaves case as it is.
        digits: ``zero`` writes 0 for each decimal digit of any script; ``spell`` an English word for each of
            0 to 9, between blanks.

    Returns:
        String array, shape ``(N,)``.
    """
    composed = _compose(pc.utf8_lower(texts) if lowercase else texts)
    match digits:
        case "keep":
            return composed
        case "zero":
            return pc.replace_substring_regex(composed, r"\p{Nd}", "0")
        case "spell":
            return _spell(composed)


def _compose(texts: pa.Array) -> pa.Array:
    # pyarrow's utf8_normalize takes letters apart and does not put them together again, whatever the
    # form asked for (apache/arrow#51225). ASCII is in form C already.
    beyond_ascii = pc.invert(pc.string_is_ascii(texts))
    # A soft hyphen shows where a word may be broken, and is no part of it.
    composed = [
        unicodedata.normalize("NFC", text.replace("\u00ad", "")) for text in texts.filter(beyond_ascii).to_pylist()
    ]
    return pc.replace_with_mask(texts, beyond_ascii, pa.array(composed, texts.type))


def _spell(texts: pa.Array) -> pa.Array:
    for digit, word in enumerate(_DIGITS):
        texts = pc.replace_substring(texts, str(digit), f" {word} ")
    return texts

"""Where one token ends and the next begins.

The result is always text again: tokens separated by single blanks, none at either end.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

# Letters of every script, the marks that combine with them, numbers of every kind.
_WORD = r"\p{L}\p{M}\p{N}"

# Anything between two words, but for an apostrophe alone: that one stays within its word (don't).
_ENGLISH_SEPARATOR = rf"[^{_WORD}]{{2,}}|[^{_WORD}']"

# Korean has no apostrophe within words; there it closes a quotation before a particle ('기생충'은).
_KOREAN_SEPARATOR = rf"[^{_WORD}]+"

# RE2's \s is ASCII only.
_WHITESPACE = r"[\s\p{Z}\x0B\x1C-\x1F\x{85}]+"

# Typographic apostrophe, modifier letter apostrophe, full-width apostrophe.
_APOSTROPHES = "[\u2019\u02bc\uff07]"


def separate_words(texts: pa.Array, language: str) -> pa.Array:
    """Keep words and drop punctuation.

    Args:
        texts: normalised strings, shape ``(N,)``.
        language: ``en`` keeps apostrophes within words, all kinds written as ``'``; ``ko`` none.

    Returns:
        String array, shape ``(N,)``: the words, separated by single blanks.
    """
    if language == "ko":
        return pc.utf8_trim(pc.replace_substring_regex(texts, _KOREAN_SEPARATOR, " "), " ")
    typed = pc.replace_substring_regex(texts, _APOSTROPHES, "'")
    return pc.utf8_trim(pc.replace_substring_regex(typed, _ENGLISH_SEPARATOR, " "), " '")


def separate_whitespace(texts: pa.Array) -> pa.Array:
    """Take what stands between white space, of any kind, as it is.

    Args:
        texts: normalised strings, shape ``(N,)``.

    Returns:
        String array, shape ``(N,)``: the tokens, separated by single blanks.
    """
    return pc.utf8_trim(pc.replace_substring_regex(texts, _WHITESPACE, " "), " ")

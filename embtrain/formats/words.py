"""Words on their way into a file: what a format cannot hold is refused before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from embtrain.errors import FormatError

# What word2vec.c, fastText and gensim split or strip at. A no-break space is an ordinary character to them.
_UNFIT = r"^$|[ \t\n\v\f\r]"


def utf8_words(words: Sequence[str], path: Path) -> pa.Array:
    """Return words as Arrow strings; ``path`` is for messages.

    Raises:
        FormatError: if a word has no UTF-8 form (a lone surrogate).
    """
    try:
        return pa.array(words, pa.string())
    except UnicodeEncodeError as error:
        raise FormatError(f"cannot write {path}: {error}") from None


def check_no_blanks(words: pa.Array, path: Path) -> None:
    """Refuse words that are empty or hold a blank or line end, for formats in which these end a word.

    Raises:
        FormatError: naming the first such word.
    """
    unfit = pc.filter(words, pc.match_substring_regex(words, _UNFIT))
    if len(unfit):
        raise FormatError(
            f"{path}: word {unfit[0].as_py()!r} is empty or holds a blank, which this format cannot tell from "
            f"the end of the word; parquet and safetensors can"
        )

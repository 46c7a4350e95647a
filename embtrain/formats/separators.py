"""Formats that set words apart by blanks cannot hold a word with a blank in it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from embtrain.errors import FormatError

# What word2vec.c, fastText and gensim split or strip at. A no-break space is an ordinary character to them.
_UNFIT = r"^$|[ \t\n\v\f\r]"


def check_no_blanks(words: pa.Array, path: Path) -> None:
    """Refuse words that are empty or hold a blank or line end.

    Raises:
        FormatError: naming the first such word.
    """
    unfit = pc.filter(words, pc.match_substring_regex(words, _UNFIT))
    if len(unfit):
        raise FormatError(
            f"{path}: word {unfit[0].as_py()!r} is empty or holds a blank, which this format cannot tell from "
            f"the end of the word; parquet and safetensors can"
        )

"""Unicode normal form and case."""

from __future__ import annotations

import unicodedata

import pyarrow as pa
import pyarrow.compute as pc


def normalise(texts: pa.Array, *, lowercase: bool) -> pa.Array:
    """Bring texts into Unicode's normal form C, in lower case if wanted.

    Case comes first: ``J̌`` has no composed form, its lower case ``ǰ`` has. Case is mapped letter by
    letter, the same in every language that embtrain knows.

    Args:
        texts: string array, shape ``(N,)``.
        lowercase: False leaves case as it is.

    Returns:
        String array, shape ``(N,)``.
    """
    return _compose(pc.utf8_lower(texts) if lowercase else texts)


def _compose(texts: pa.Array) -> pa.Array:
    # pyarrow's utf8_normalize takes letters apart and does not put them together again, whatever the
    # form asked for (apache/arrow#51225). ASCII is in form C already.
    beyond_ascii = pc.invert(pc.string_is_ascii(texts))
    composed = [unicodedata.normalize("NFC", text) for text in texts.filter(beyond_ascii).to_pylist()]
    return pc.replace_with_mask(texts, beyond_ascii, pa.array(composed, texts.type))

"""Unicode normal form and case."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def normalise(texts: pa.Array, *, lowercase: bool) -> pa.Array:
    """Bring texts into Unicode's normal form C, in lower case if wanted.

    Case comes first: ``J̌`` has no composed form, its lower case ``ǰ`` has. Case is mapped letter by
    letter, the same in every language that embtrain knows.
    """
    lowered = pc.utf8_lower(texts) if lowercase else texts
    return pc.utf8_normalize(lowered, "NFC")

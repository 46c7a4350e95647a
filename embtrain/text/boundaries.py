"""Where one sentence ends and the next begins."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

# ASCII's record separator: where it stands, a sentence ends.
_BREAK = "\x1e"

# A full stop that ends no sentence gets a no-break space after it, as a typesetter would set it; it
# counts as white space later. Initials (J. S. Bach, the U.S. Army) and titles before names; in
# Korean numbers too, which end no sentence but stand in dates (2005. 3. 1.).
_TITLES = "Mr|Mrs|Ms|Dr|Prof|St|Mt|Messrs|Gen|Col|Lt|Sgt|Capt|Rev|Hon|Gov|Sen|Rep"
_NO_END = {
    "en": rf"\b([A-Z]|{_TITLES}|vs|cf|e\.g|i\.e|approx|Fig|Eq)\.\s+",
    "ko": rf"\b([A-Z]|\d+|{_TITLES}|vs|cf|e\.g|i\.e)\.\s+",
}

# Full stops, with the quotes and brackets that they close, before white space; full-width ones
# need none.
_CLOSING = "[\"'”’»)\\]」』]*"  # noqa: RUF001 - typographic quotes are meant
_END = rf"([.!?…]+{_CLOSING})\s+|([。！？]+{_CLOSING})\s*"  # noqa: RUF001 - full-width stops are meant


def split_sentences(texts: pa.Array, language: str) -> pa.Array:
    r"""Cut texts where a sentence ends: at ``. ! ? …`` before white space, and at ``。``.

    Nothing but white space is lost, so that tokenised text keeps its full stops as tokens.

    Args:
        texts: string array, shape ``(N,)``, in its own case: capitals tell initials.
        language: whose abbreviations do not end a sentence.

    Returns:
        String array of sentences, shape ``(S,)``, in the order of the texts.
    """
    bound = pc.replace_substring_regex(texts, _NO_END[language], "\\1.\u00a0")
    return pc.split_pattern(pc.replace_substring_regex(bound, _END, rf"\1\2{_BREAK}"), _BREAK)

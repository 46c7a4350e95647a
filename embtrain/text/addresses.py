"""URLs and mail addresses: dropped, or each replaced by one token.

A mark stands for an address while the text is taken apart: a character that Unicode keeps out of
texts, so that no tokenizer has a rule for it. Afterwards it gets its name, ``<url>`` or ``<email>``,
or is dropped.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

URL_MARK, EMAIL_MARK = "\ufdd0", "\ufdd1"
MARKS = URL_MARK + EMAIL_MARK
"""The characters that tokenizers leave alone, each a token of its own."""

# The characters of RFC 3986: a Korean particle right after an address is not part of it, nor are the
# full stop, the comma or the bracket that close the sentence around it. Names of marks are marks again.
_URL = r"(?i)\b(?:(?:https?|ftp)://|www\.)[\w\-.~:/?#\[\]@!$&'()*+,;=%]*[\w\-~/#=&%$]|<url>"
_EMAIL = r"(?i)\b(?:mailto:)?\w[\w.%+\-]*@(?:[a-z0-9\-]+\.)+[a-z]{2,}|<email>"


def mark_addresses(texts: pa.Array, *, apart: bool) -> pa.Array:
    """Put a mark in the place of each address.

    Args:
        texts: strings in their own case, shape ``(N,)``.
        apart: put blanks around the marks.

    Returns:
        String array, shape ``(N,)``. Its only marks are those of addresses.
    """
    url, email = (f" {mark} " if apart else mark for mark in MARKS)
    unmarked = pc.replace_substring_regex(texts, f"[{MARKS}]", " ")
    return pc.replace_substring_regex(pc.replace_substring_regex(unmarked, _URL, url), _EMAIL, email)


def name_marks(tokenised: pa.Array) -> pa.Array:
    """Write ``<url>`` and ``<email>`` for the marks, shape ``(N,)``."""
    return pc.replace_substring(pc.replace_substring(tokenised, URL_MARK, "<url>"), EMAIL_MARK, "<email>")


def drop_marks(tokenised: pa.Array) -> pa.Array:
    """Leave out the tokens that are marks, shape ``(N,)``."""
    return pc.utf8_trim(pc.replace_substring_regex(tokenised, f" *(?:[{MARKS}] *)+", " "), " ")

"""Beside vectors in a folder: ``text_rules.json``, and ``phrases.parquet`` where the corpus had phrases."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pyarrow.parquet as pq

from embtrain.errors import FormatError
from embtrain.formats.files import errors_named
from embtrain.schema import PHRASES
from embtrain.text import TextRules, Tokeniser

_TEXT_RULES, _PHRASES = "text_rules.json", "phrases.parquet"


def write_tokeniser(tokeniser: Tokeniser | None, folder: Path) -> None:
    """Write how texts are taken apart, if that is known."""
    if tokeniser is None:
        return
    (folder / _TEXT_RULES).write_text(json.dumps(asdict(tokeniser.rules), indent=1) + "\n", "utf-8")
    if tokeniser.phrases is not None:
        pq.write_table(tokeniser.phrases, folder / _PHRASES, compression="zstd")


def read_tokeniser(folder: Path) -> Tokeniser | None:
    """Read what ``write_tokeniser`` wrote; None where it wrote nothing.

    Raises:
        FormatError: if a file is damaged.
    """
    path = folder / _TEXT_RULES
    if not path.exists():
        return None
    with errors_named(path):
        rules = json.loads(path.read_text("utf-8"))
        try:
            text_rules = TextRules.from_json(rules)
        except (TypeError, KeyError) as error:
            raise FormatError(f"{path} holds no rules of text: {error}") from None
    if not (folder / _PHRASES).exists():
        return Tokeniser(text_rules)
    with errors_named(folder / _PHRASES):
        phrases = pq.read_table(folder / _PHRASES)
        PHRASES.check(phrases.schema)
    return Tokeniser(text_rules, phrases)

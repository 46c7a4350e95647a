"""Which format a file is in, told by its content."""

from __future__ import annotations

from pathlib import Path

from embtrain.formats.fasttext.layout import is_model
from embtrain.formats.files import reading
from embtrain.formats.header import parse_header
from embtrain.formats.safetensors_folder import TENSOR

_PARQUET_MAGIC = b"PAR1"

# Holds the first two lines of text for all but absurd dimensions.
_LOOKED_AT = 2**20


def detect(path: Path) -> str | None:
    """Return the name of the format, or None if it is none of ours.

    Raises:
        FormatError: if there is nothing at ``path``, or it cannot be decompressed.
    """
    if path.is_dir():
        if (path / TENSOR).exists():
            return "safetensors"
        return "elmo" if any(path.glob("*options.json")) else None
    with reading(path) as file:
        start = file.read(_LOOKED_AT)
    if start.startswith(_PARQUET_MAGIC):
        return "parquet"
    if is_model(start):
        return "fasttext"
    first, _, rest = start.partition(b"\n")
    if parse_header(first):
        return "word2vec" if _is_word_and_numbers(rest.partition(b"\n")[0]) else "word2vec-binary"
    return "glove" if _is_word_and_numbers(first) else None


def _is_word_and_numbers(line: bytes) -> bool:
    """Tell whether a line is a word and numbers, whole or cut at the end of what was looked at."""
    numbers = line.rstrip().split(b" ")[1:]
    # The last one may be cut: "-1.5e-" is not a number.
    return bool(numbers) and all(map(_is_number, numbers[:-1] or numbers))


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

"""Evaluation sets are small text files; this reads their lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from embtrain.errors import FormatError


def numbered_lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Yield each line that is not blank with its number, from 1.

    Raises:
        FormatError: if there is no such file, it cannot be read, or it is not UTF-8.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise FormatError(f"there is no evaluation file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"cannot read the evaluation file {path} as UTF-8 text: {error}") from None
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line

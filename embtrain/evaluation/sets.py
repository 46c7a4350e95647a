"""What evaluation sets have in common: small text files, whose words are looked up whatever their case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from embtrain.errors import FormatError
from embtrain.vectors import Vectors


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


def ids_by_upper_case(vectors: Vectors, restrict_vocabulary: int) -> Mapping[str, int]:
    """Return the id of each upper-cased word among the most frequent; of several, the most frequent's.

    As gensim does by default.
    """
    ids: dict[str, int] = {}
    for index, word in enumerate(vectors.index_to_key[:restrict_vocabulary]):
        ids.setdefault(word.upper(), index)
    return ids

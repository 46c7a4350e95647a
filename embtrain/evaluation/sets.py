"""What evaluation sets have in common: small text files, whose words are looked up whatever their case."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embtrain.errors import FormatError
from embtrain.subword_vectors import SubwordVectors
from embtrain.vectors import Floats, Vectors, scaled_to_length_one


@dataclass(frozen=True)
class KnownWords:
    """The words of an evaluation set that have a vector.

    Attributes:
        ids: the row of each word, by its spelling in the set.
        unit: vectors scaled to length 1: of the most frequent words, by id, then of others that the set asks about.
        num_frequent: how many the most frequent are.
        unseen: words that are not in the vocabulary, and have a vector by their n-grams.
    """

    ids: Mapping[str, int]
    unit: Floats
    num_frequent: int
    unseen: frozenset[str] = frozenset()


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


def look_up(vectors: Vectors, words: Iterable[str], restrict_vocabulary: int) -> KnownWords:
    """Look up the words of a set.

    They are sought among the most frequent words, in any case, as gensim does by default. Where vectors have n-grams,
    all other words are looked up too, in lower case if all frequent words are, seen or not.

    Args:
        vectors: what is measured.
        words: as the set spells them.
        restrict_vocabulary: how many the most frequent words are.
    """
    by_upper_case = ids_by_upper_case(vectors, restrict_vocabulary)
    wanted = set(words)
    ids = {word: by_upper_case[word.upper()] for word in wanted if word.upper() in by_upper_case}
    frequent = vectors.unit[:restrict_vocabulary]
    if not isinstance(vectors, SubwordVectors):
        return KnownWords(ids, frequent, len(frequent))
    is_lower = all(word == word.lower() for word in vectors.index_to_key[:restrict_vocabulary])
    spelled = {word: word.lower() if is_lower else word for word in sorted(wanted - ids.keys())}
    others = sorted(set(spelled.values()))
    others = [other for other, has_vector in zip(others, vectors.known(others), strict=True) if has_vector]
    rows = {other: row for row, other in enumerate(others, start=len(frequent))}
    ids |= {word: rows[other] for word, other in spelled.items() if other in rows}
    unit = np.concatenate([frequent, scaled_to_length_one(vectors[others])]) if others else frequent
    seen = vectors.key_to_index.keys()
    unseen = frozenset(word for word, other in spelled.items() if other in rows and vectors.spelled(other) not in seen)
    return KnownWords(ids, unit, len(frequent), unseen)


def ids_by_upper_case(vectors: Vectors, restrict_vocabulary: int) -> Mapping[str, int]:
    """Return the id of each upper-cased word among the most frequent; of several, the most frequent's.

    As gensim does by default.
    """
    ids: dict[str, int] = {}
    for index, word in enumerate(vectors.index_to_key[:restrict_vocabulary]):
        ids.setdefault(word.upper(), index)
    return ids

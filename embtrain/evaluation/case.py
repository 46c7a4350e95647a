"""Words of evaluation sets are looked up whatever their case, as gensim does by default."""

from __future__ import annotations

from collections.abc import Mapping

from embtrain.vectors import Vectors


def ids_by_upper_case(vectors: Vectors, restrict_vocabulary: int) -> Mapping[str, int]:
    """Return the id of each upper-cased word among the most frequent; of several, the most frequent's."""
    ids: dict[str, int] = {}
    for index, word in enumerate(vectors.index_to_key[:restrict_vocabulary]):
        ids.setdefault(word.upper(), index)
    return ids

"""What a report says of a model, table by table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from embtrain.reporting.page import Table
from embtrain.vectors import Vectors

if TYPE_CHECKING:
    from embtrain.probing.contexts import NearestContexts
    from embtrain.versions import Origin

# Words whose neighbours are shown unless others are asked for: of these ranks, the most frequent words say little.
_NUM_WORDS, _RANKS = 12, (100, 10_000)

_NEIGHBOURS = 8


def origin_tables(origin: Origin) -> list[Table]:
    """Say where a registered version comes from, what it was measured at, and by which settings."""
    facts = {
        "version": origin.uri,
        "registered": f"{origin.registered:%Y-%m-%d %H:%M} UTC",
        "aliases": ", ".join(origin.aliases) or "none",
        "run": origin.run_id,
        **{name: value for name, value in origin.tags.items() if not _is_number(value)},
    }
    measured = {name: value for name, value in origin.tags.items() if _is_number(value)}
    return [
        Table("What it was made from", list(facts.items())),
        Table("What it was measured at", sorted(measured.items())),
        Table("Settings of its run", sorted(origin.settings.items()), is_folded=True),
    ]


def neighbours_table(vectors: Vectors, words: Sequence[str]) -> Table:
    """List the words nearest to each of some words; without any, of a few of the vocabulary, by rank.

    Raises:
        UnknownWordError: if a word has no vector.
    """
    asked = list(words) or sample_words(vectors)
    found = vectors.nearest(asked, topn=_NEIGHBOURS)
    rows = [
        [word, "  ".join(f"{near} {score:.2f}" for near, score in nearest)]
        for word, nearest in zip(asked, found, strict=True)
    ]
    return Table("Nearest words", rows, "With the cosine of the angle between their vectors.")


def sample_words(vectors: Vectors) -> list[str]:
    """Return words of letters, from frequent to rare, the same ones of the same vocabulary."""
    words = [word for word in vectors.index_to_key[: _RANKS[1]] if word.isalpha()]
    if len(words) <= _NUM_WORDS:
        return words
    first = min(_RANKS[0], len(words) // 2)
    return [words[rank] for rank in np.unique(np.geomspace(first, len(words) - 1, _NUM_WORDS).astype(int))]


def contexts_table(word: str, answers: Sequence[NearestContexts]) -> Table:
    """List the sentences in which a word is used most as in given ones."""
    rows = []
    for answer in answers:
        rows.append([str(answer.asked), "", ""])
        rows += [["", f"{score:.2f}", str(near)] for near, score in answer.found]
    note = (
        "In each sentence the word stands in brackets; below it the most similar uses in other text, by the last layer."
    )
    return Table(f"Where else “{word}” is used like this", rows, note)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

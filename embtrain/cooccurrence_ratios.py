"""What tells two words apart: ratios of their co-occurrence probabilities, as in table 1 of the GloVe paper."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from embtrain.data.cooccurrence import Row, read_rows
from embtrain.data.vocabulary import Vocabulary
from embtrain.errors import CorpusError
from embtrain.manifest import Snapshot
from embtrain.spelling import unknown_word


@dataclass(frozen=True)
class Ratio:
    """How likely a word is found near each of two others.

    Attributes:
        word: k.
        p_first: P(k | i), the share of k in the weight of all neighbours of i.
        p_second: P(k | j).
    """

    word: str
    p_first: float
    p_second: float

    @property
    def ratio(self) -> float | None:
        """Return P(k | i) / P(k | j); None where k is never near j."""
        return self.p_first / self.p_second if self.p_second else None


@dataclass(frozen=True)
class Comparison:
    """The ratios of two words, i and j, for each word asked about."""

    first: str
    second: str
    ratios: list[Ratio]

    def to_json(self) -> str:
        """Return one JSON object; a ratio that does not exist is null."""
        words = [
            {"word": found.word, "p_first": found.p_first, "p_second": found.p_second, "ratio": found.ratio}
            for found in self.ratios
        ]
        return json.dumps({"first": self.first, "second": self.second, "words": words}, ensure_ascii=False)

    def __str__(self) -> str:
        titles = ["", f"P(k|{self.first})", f"P(k|{self.second})", "ratio"]
        rows = [
            [
                found.word,
                f"{found.p_first:.2e}",
                f"{found.p_second:.2e}",
                "-" if found.ratio is None else f"{found.ratio:.3g}",
            ]
            for found in self.ratios
        ]
        widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
        return "\n".join(
            f"{row[0]:{widths[0]}}"
            + "".join(f"  {cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
            for row in [titles, *rows]
        )


def compare(snapshot: Snapshot, first: str, second: str, words: Sequence[str]) -> Comparison:
    """Compare how likely each of ``words`` is near ``first`` and near ``second`` (Pennington et al., 2014, section 3).

    P(k | i) is X_ik / X_i: the weight of the cell over the sum of its row, of all columns that the table has.

    Raises:
        UnknownWordError: if the vocabulary has not one of the words; naming the closest spellings.
        CorpusError: if one of the two stands near no word at all.
        SnapshotError: if the table of co-occurrences is absent or damaged.
    """
    tokens = Vocabulary.read(snapshot).tokens
    ids = {token: token_id for token_id, token in enumerate(tokens)}
    for word in (first, second, *words):
        if word not in ids:
            raise unknown_word(word, tokens)
    rows = read_rows(snapshot, [ids[first], ids[second]])
    for word in (first, second):
        if ids[word] not in rows:
            raise CorpusError(f"the table has no word near {word!r}; lower cooccurrence.min_weight, or add text")
    given = rows[ids[first]], rows[ids[second]]
    return Comparison(first, second, [Ratio(word, *(_probability(row, ids[word]) for row in given)) for word in words])


def _probability(row: Row, column: int) -> float:
    return row.weight(column) / row.total

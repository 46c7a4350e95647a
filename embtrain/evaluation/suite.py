"""All evaluation files of a run, measured together."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from embtrain.config import EvaluateSettings
from embtrain.errors import FormatError
from embtrain.evaluation.analogy import AnalogyResult, Tally, evaluate_analogies
from embtrain.evaluation.similarity import SimilarityResult, evaluate_similarity
from embtrain.vectors import Vectors


@dataclass(frozen=True)
class Evaluation:
    """What was measured, file by file. ``str`` gives a table in points of 100, analogies by section."""

    similarity: list[SimilarityResult]
    analogy: list[AnalogyResult]

    def metrics(self) -> dict[str, float]:
        """Return all numbers, 0 to 1 (Spearman's: -1 to 1), under names that MLflow allows.

        ``similarity/FILE`` and ``analogy/FILE``, their ``similarity_coverage/FILE`` and ``analogy_coverage/FILE``, and
        ``analogy_semantic/FILE`` and ``analogy_syntactic/FILE``. What is not defined is left out.
        """
        return {re.sub(r"[^/\w.\- :]", "_", name): value for name, value in self._measures() if value is not None}

    def _measures(self) -> Iterator[tuple[str, float | None]]:
        for pairs in self.similarity:
            yield f"similarity/{pairs.name}", pairs.spearman
            yield f"similarity_coverage/{pairs.name}", pairs.coverage
        for questions in self.analogy:
            yield f"analogy/{questions.name}", questions.total.accuracy
            yield f"analogy_coverage/{questions.name}", questions.total.coverage
            for half in questions.halves:
                yield f"analogy_{half.name}/{questions.name}", half.accuracy

    def to_json(self) -> str:
        """Return everything, analogies by section, as one JSON object."""
        values = {
            "similarity": [
                {
                    "name": pairs.name,
                    "spearman": pairs.spearman,
                    "coverage": pairs.coverage,
                    "used": pairs.used,
                    "unseen": pairs.unseen,
                    "pairs": pairs.pairs,
                }
                for pairs in self.similarity
            ],
            "analogy": [
                {
                    **_tally_values(questions.total),
                    "name": questions.name,
                    "halves": [_tally_values(half) for half in questions.halves],
                    "sections": [_tally_values(section) for section in questions.sections],
                }
                for questions in self.analogy
            ],
        }
        return json.dumps(values, ensure_ascii=False, indent=1)

    def __str__(self) -> str:
        rows = [
            (pairs.name, "Spearman", pairs.spearman, _basis(pairs.used, pairs.pairs, pairs.unseen))
            for pairs in self.similarity
        ]
        for questions in self.analogy:
            for label, tally in _outline(questions):
                basis = _basis(tally.used, tally.questions, tally.unseen)
                rows.append((label, "accuracy", tally.accuracy, basis))
        return _table(rows)


def evaluate(vectors: Vectors, settings: EvaluateSettings) -> Evaluation:
    """Measure vectors on every file that the settings name.

    Raises:
        FormatError: if a file is missing or malformed, or two of a kind have the same name.
    """
    _refuse_same_names(settings.similarity)
    _refuse_same_names(settings.analogy)
    among = settings.restrict_vocabulary
    return Evaluation(
        similarity=[evaluate_similarity(vectors, path, among) for path in settings.similarity],
        analogy=[evaluate_analogies(vectors, path, among) for path in settings.analogy],
    )


def _refuse_same_names(paths: Sequence[str]) -> None:
    for name, times in Counter(Path(path).stem for path in paths).items():
        if times > 1:
            raise FormatError(f"{times} evaluation files are named {name!r}, and so would be their metrics; rename one")


def _tally_values(tally: Tally) -> dict[str, str | float | None]:
    return {
        "name": tally.name,
        "accuracy": tally.accuracy,
        "coverage": tally.coverage,
        "correct": tally.correct,
        "used": tally.used,
        "unseen": tally.unseen,
        "questions": tally.questions,
    }


def _outline(questions: AnalogyResult) -> Iterator[tuple[str, Tally]]:
    """Yield the file's tally, those of its halves and those of its sections, each indented below what it is part of."""
    yield questions.name, questions.total
    if not questions.halves:
        yield from ((f"  {section.name}", section) for section in questions.sections)
    for half in questions.halves:
        yield f"  {half.name}", half
        yield from ((f"    {section.name}", section) for section in questions.sections_by_half[half.name])


def _basis(used: int, total: int, unseen: int) -> str:
    """Say on how many entries a figure stands."""
    return f"on {used} of {total}" + (f", {unseen} with words never seen" if unseen else "")


def _table(rows: Sequence[tuple[str, str, float | None, str]]) -> str:
    width = max([len(label) for label, *_ in rows], default=0)
    lines = []
    for label, measure, value, basis in rows:
        points = "    -" if value is None else f"{100 * value:5.1f}"
        lines.append(f"{label:{width}}  {measure:8}  {points}  {basis}")
    return "\n".join(lines)

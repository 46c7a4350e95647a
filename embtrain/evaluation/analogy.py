"""Word analogies: *man* is to *king* as *woman* is to what?

Files such as word2vec's questions-words.txt hold a line ``: section`` before each group of questions,
and four words a question. 3CosAdd (Mikolov et al., 2013c) answers with the word whose unit vector has the
largest scalar product with b - a + c, the question's own words left out.

Shapes: B questions in a batch, R words known, D numbers per vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embtrain.errors import FormatError
from embtrain.evaluation.sets import KnownWords, ids_by_upper_case, look_up, numbered_lines
from embtrain.vectors import Vectors

Question = tuple[str, str, str, str]
Ids = NDArray[np.int64]

# Scores computed at a time: 64 MB of them.
_SCORES_AT_A_TIME = 2**24

# How sections of grammar begin in questions-words.txt and in its Korean counterpart; all others are of meaning.
_SYNTACTIC = ("gram", "syn")


@dataclass(frozen=True)
class Tally:
    """How many questions were answered rightly: of a section, or of several together."""

    name: str
    correct: int
    used: int
    """Questions of which all four words are known; the others are skipped."""
    questions: int
    unseen: int = 0
    """Used questions with a word that is not in the vocabulary, and has a vector by its n-grams."""

    @property
    def accuracy(self) -> float | None:
        """Return the share of the used questions that were answered rightly, 0 to 1; None if none was used."""
        return self.correct / self.used if self.used else None

    @property
    def coverage(self) -> float:
        """Return the share of the questions that could be used, 0 to 1."""
        return self.used / self.questions


@dataclass(frozen=True)
class AnalogyResult:
    """How many questions of one file were answered rightly, by section."""

    name: str
    sections: list[Tally]

    @property
    def total(self) -> Tally:
        """Return the tally of all sections."""
        return _sum("total", self.sections)

    @property
    def sections_by_half(self) -> dict[str, list[Tally]]:
        """Return the sections of meaning and of grammar, where their names tell them apart; else nothing."""
        syntactic = [section for section in self.sections if section.name.startswith(_SYNTACTIC)]
        semantic = [section for section in self.sections if section not in syntactic]
        return {"semantic": semantic, "syntactic": syntactic} if semantic and syntactic else {}

    @property
    def halves(self) -> list[Tally]:
        """Return the tallies of meaning and of grammar, where the names of sections tell them apart."""
        return [_sum(name, sections) for name, sections in self.sections_by_half.items()]


def evaluate_analogies(vectors: Vectors, path: str | Path, restrict_vocabulary: int = 30_000) -> AnalogyResult:
    """Answer a file of analogy questions by 3CosAdd, as gensim's ``evaluate_word_analogies``.

    Args:
        vectors: what to measure.
        path: the file.
        restrict_vocabulary: words are known, and answers sought, among so many most frequent words. Case
            does not matter: answers that differ from the expected word in case alone are right. Where vectors have
            n-grams, the three words asked about need not be among them.

    Raises:
        FormatError: if the file cannot be read, a line is neither question nor section, or there is no question.
    """
    sections = read_questions(path)
    asked = {word for questions in sections.values() for question in questions for word in question}
    words = look_up(vectors, asked, restrict_vocabulary)
    # Words that differ in case alone share one id, their most frequent form's.
    forms = ids_by_upper_case(vectors, restrict_vocabulary)
    frequent = [forms[word.upper()] for word in vectors.index_to_key[:restrict_vocabulary]]
    form = np.array([*frequent, *range(len(frequent), len(words.unit))])
    tallies = [_tally(name, questions, words, form) for name, questions in sections.items()]
    return AnalogyResult(Path(path).stem, tallies)


def read_questions(path: str | Path) -> dict[str, list[Question]]:
    """Read questions by section; sections without a question are left out.

    Raises:
        FormatError: naming the first line that is neither section nor question.
    """
    sections: dict[str, list[Question]] = {}
    questions: list[Question] | None = None
    for number, line in numbered_lines(path):
        if line.startswith(":"):
            questions = sections.setdefault(line.lstrip(": ").strip(), [])
            continue
        words = line.split()
        if len(words) != 4 or questions is None:  # noqa: PLR2004 -- a is to b as c to d
            wanted = "a line ': section'" if questions is None else "four words"
            raise FormatError(f"{path}, line {number}: expected {wanted}, found {line.strip()!r}")
        questions.append((words[0], words[1], words[2], words[3]))
    if not any(sections.values()):
        raise FormatError(f"{path} holds no question; expected lines ': section' and, below, four words a line")
    return {name: questions for name, questions in sections.items() if questions}


def _tally(name: str, questions: list[Question], words: KnownWords, form: Ids) -> Tally:
    """Answer the questions of a section of which all words are known, and the answer is a frequent one."""
    used = [
        question
        for question in questions
        if all(word in words.ids for word in question) and words.ids[question[3]] < words.num_frequent
    ]
    rows = np.array([[words.ids[word] for word in question] for question in used], dtype=np.int64).reshape(-1, 4)
    unseen = sum(not words.unseen.isdisjoint(question) for question in used)
    return Tally(name, _count_correct(words, form, rows), len(used), len(questions), unseen)


def _count_correct(words: KnownWords, form: Ids, questions: Ids) -> int:
    """Count right answers to questions ``(B, 4)``, given as ids of forms, among the frequent of the R words known."""
    unit = words.unit
    at_a_time = max(1, _SCORES_AT_A_TIME // len(unit))
    correct = 0
    for start in range(0, len(questions), at_a_time):
        a, b, c, expected = questions[start : start + at_a_time].T
        scores = (unit[b] - unit[a] + unit[c]) @ unit.T
        scores[:, words.num_frequent :] = -np.inf
        asked = np.stack([a, b, c], axis=1)
        right = form[_best_but(scores, form, asked)] == expected
        correct += int(np.count_nonzero(right & (asked != expected[:, None]).all(axis=1)))
    return correct


def _best_but(scores: NDArray[np.float32], form: Ids, asked: Ids) -> Ids:
    """Return each row's best column that is no form of the words asked about, ``(B, 3)``. Overwrites scores ``(B, R)``.

    If a row has no such column, the answer is one of the words asked about.
    """
    np.put_along_axis(scores, asked, -np.inf, axis=1)
    best: Ids = scores.argmax(axis=1)
    rows = np.flatnonzero((form[best][:, None] == asked).any(axis=1))
    # The same words in another case can still come first: strike them out, one a round.
    while rows.size:
        scores[rows, best[rows]] = -np.inf
        best[rows] = scores[rows].argmax(axis=1)
        left = np.isfinite(scores[rows, best[rows]])
        rows = rows[left & (form[best[rows]][:, None] == asked[rows]).any(axis=1)]
    return best


def _sum(name: str, tallies: list[Tally]) -> Tally:
    return Tally(
        name,
        correct=sum(tally.correct for tally in tallies),
        used=sum(tally.used for tally in tallies),
        questions=sum(tally.questions for tally in tallies),
        unseen=sum(tally.unseen for tally in tallies),
    )

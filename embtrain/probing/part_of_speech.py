"""How well a linear classifier tells parts of speech from each layer (Peters et al., 2018, section 5.3).

The sentences are those of Universal Dependencies, in CoNLL-U: a token a line, its form in the second and its universal
part of speech in the fourth of ten columns.
"""

from __future__ import annotations

import io
import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from embtrain.contextual_vectors import ContextualVectors
from embtrain.errors import FormatError
from embtrain.formats.files import reading
from embtrain.probing.layers import compared_names, read_compared
from embtrain.vectors import Vectors

_COLUMNS = 10

# Of the probe. Vectors of 100 numbers take some 350.
_MAX_ITERATIONS = 1000


@dataclass(frozen=True)
class TaggedSentence:
    """Tokens and the part of speech of each."""

    tokens: list[str]
    tags: list[str]


@dataclass(frozen=True)
class TaggingResult:
    """How many tokens of a test file were tagged rightly, 0 to 1.

    Attributes:
        name: of the test file.
        layers: accuracy by the name of the layer.
        by_form: accuracy of each form's most frequent tag in training, else the most frequent of all: no vector.
        train_tokens: learned from.
        test_tokens: tested on.
    """

    name: str
    layers: dict[str, float]
    by_form: float
    train_tokens: int
    test_tokens: int


def probe_tagging(
    model: Vectors | ContextualVectors, train: str | Path, test: str | Path, *, max_tokens: int = 40_000
) -> TaggingResult:
    """Fit a logistic regression to each layer, standardised, and measure it.

    Args:
        model: whose layers; word vectors have one.
        train: a CoNLL-U file to learn from, compressed or not.
        test: one to measure on.
        max_tokens: sentences are learned from until there are so many tokens; the other file is read whole.

    Raises:
        FormatError: if a file cannot be read, is not CoNLL-U, or holds no token.
    """
    learned, tested = _first(train, max_tokens), _first(test)
    tags, expected = _tags(learned), _tags(tested)
    if len(set(tags)) == 1:
        raise FormatError(f"{train} has one part of speech, {str(tags[0])!r}; expected two or more to tell apart")
    accuracy = {}
    features, asked = (read_compared(model, [sentence.tokens for sentence in part]) for part in (learned, tested))
    for number, name in enumerate(compared_names(model)):
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=_MAX_ITERATIONS))
        probe.fit(np.concatenate([layers[number] for layers in features]), tags)
        accuracy[name] = float(probe.score(np.concatenate([layers[number] for layers in asked]), expected))
    name = Path(test).name.removesuffix(".gz").removesuffix(".conllu")
    return TaggingResult(name, accuracy, _by_form(learned, tested), len(tags), len(expected))


def read_conllu(path: str | Path) -> Iterator[TaggedSentence]:
    """Yield the sentences of a file. Tokens of several words, and words that are not there, are passed over.

    Raises:
        FormatError: naming the first line that is not of ten columns.
    """
    tokens: list[str] = []
    tags: list[str] = []
    for number, line in enumerate(itertools.chain(_lines(path), [""]), start=1):
        if not line:
            if tokens:
                yield TaggedSentence(tokens, tags)
            tokens, tags = [], []
        elif not line.startswith("#"):
            columns = line.split("\t")
            if len(columns) != _COLUMNS:
                raise FormatError(f"{path}, line {number}: expected ten columns of CoNLL-U, found {line[:60]!r}")
            if columns[0].isdigit():
                tokens.append(columns[1])
                tags.append(columns[3])


def _lines(path: str | Path) -> Iterator[str]:
    try:
        with reading(Path(path)) as file:
            for line in io.TextIOWrapper(file, encoding="utf-8-sig", newline="\n"):
                yield line.rstrip("\r\n")
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error}") from None


def _first(path: str | Path, max_tokens: float = math.inf) -> list[TaggedSentence]:
    """Return sentences from the start of a file, so many that there are ``max_tokens`` tokens, or all."""
    found, total = [], 0
    for sentence in read_conllu(path):
        if total >= max_tokens:
            break
        found.append(sentence)
        total += len(sentence.tokens)
    if not found:
        raise FormatError(f"{path} holds no token; expected ten columns a line, and a blank line per sentence")
    return found


def _tags(sentences: Sequence[TaggedSentence]) -> npt.NDArray[np.str_]:
    return np.array([tag for sentence in sentences for tag in sentence.tags])


def _by_form(learned: Sequence[TaggedSentence], tested: Sequence[TaggedSentence]) -> float:
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for sentence in learned:
        for token, tag in zip(sentence.tokens, sentence.tags, strict=True):
            counts[token][tag] += 1
    [(most_frequent, _)] = Counter(tag for sentence in learned for tag in sentence.tags).most_common(1)
    best = {token: of_token.most_common(1)[0][0] for token, of_token in counts.items()}
    guessed = [best.get(token, most_frequent) for sentence in tested for token in sentence.tokens]
    return float(np.mean(np.array(guessed) == _tags(tested)))

"""In which other sentences a word is used as in a given one (Peters et al., 2018, section 5.3)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from embtrain.contextual_vectors import ContextualVectors
from embtrain.errors import CorpusError, UnknownWordError
from embtrain.formats.files import reading
from embtrain.probing.layers import read_layers
from embtrain.text import TextRules, Tokeniser, tokenise
from embtrain.text.normalise import normalise
from embtrain.text.utf8 import utf8_texts
from embtrain.vectors import Floats

# Sentences with the word whose layers are computed at a time, and how many are looked at: enough for an example.
_SENTENCES_AT_A_TIME = 64
MAX_OCCURRENCES = 5_000

_LINES_AT_A_TIME = 10_000


_AT_WHITE_SPACE = Tokeniser(TextRules(tokenizer="whitespace", lowercase=False, split_sentences=False))


@dataclass(frozen=True)
class Occurrence:
    """A word in a sentence: the sentence's tokens, and the word's place among them."""

    tokens: list[str]
    place: int

    def __str__(self) -> str:
        """Show the sentence, the word in brackets."""
        return " ".join(f"[{token}]" if place == self.place else token for place, token in enumerate(self.tokens))


@dataclass(frozen=True)
class NearestContexts:
    """An occurrence asked about, and the most similar ones with their cosine similarities, the most similar first."""

    asked: Occurrence
    found: list[tuple[Occurrence, float]]


def nearest_contexts(
    model: ContextualVectors,
    word: str,
    sentences: Sequence[str],
    among: Iterable[str],
    *,
    topn: int = 5,
    layer: int = -1,
) -> list[NearestContexts]:
    """Find the occurrences of a word that are most like those in given sentences.

    Args:
        model: an ELMo; texts are taken apart by its rules, or at white space where it has none.
        word: in any case.
        sentences: that have the word.
        among: texts, of any number of sentences; of those with the word the first ``MAX_OCCURRENCES`` are compared.
        topn: at most so many of each.
        layer: 0 is that of the words, where all occurrences are alike; -1 the last.

    Returns:
        One for each occurrence in the given sentences, in their order.

    Raises:
        UnknownWordError: if a given sentence has not the word.
        CorpusError: if there is no such layer, or no other sentence has the word.
    """
    if not -model.num_layers <= layer < model.num_layers:
        raise CorpusError(f"the model has layers 0 to {model.num_layers - 1}, found {layer}")
    tokeniser = model.tokeniser or _AT_WHITE_SPACE
    asked = []
    for sentence in sentences:
        here = list(_occurrences([sentence], word, tokeniser))
        if not here:
            raise UnknownWordError(f"the sentence {sentence!r} has not the word {word!r}")
        asked += here
    given = {tuple(occurrence.tokens) for occurrence in asked}
    others: list[Occurrence] = []
    for occurrence in _occurrences(among, word, tokeniser):
        if tuple(occurrence.tokens) not in given:
            others.append(occurrence)
        if len(others) == MAX_OCCURRENCES:
            break
    if not others:
        raise CorpusError(f"no other sentence has the word {word!r}; give more text, or another word")
    similarities = _unit(model, asked, layer) @ _unit(model, others, layer).T
    best = np.argsort(-similarities, axis=1, kind="stable")[:, :topn].tolist()
    return [
        NearestContexts(occurrence, [(others[place], float(row[place])) for place in places])
        for occurrence, row, places in zip(asked, similarities, best, strict=True)
    ]


def lines_of(path: str | Path) -> Iterator[str]:
    """Yield the lines of a text file, compressed by gzip or not.

    Raises:
        FormatError: if there is no such file, or it cannot be read.
    """
    with reading(Path(path)) as file:
        for line in file:
            yield line.decode("utf-8", errors="replace").rstrip("\r\n")


def _occurrences(texts: Iterable[str], word: str, tokeniser: Tokeniser) -> Iterator[Occurrence]:
    rules = tokeniser.rules
    wanted = _spelled(word, rules)
    for batch in _batched(texts):
        lines = utf8_texts(batch)
        # Most lines have not the letters, let alone the word. A phrase and a morpheme are not spelled so in the text.
        if tokeniser.phrases is None and rules.tokenizer not in {"morphemes", "jamo"}:
            spelled = normalise(lines, lowercase=True, digits=rules.digits)
            lines = lines.filter(pc.match_substring(spelled, wanted))
        for sentence in tokeniser.document_sentences(lines).flatten().to_pylist():
            tokens = sentence.split(" ")
            yield from (Occurrence(tokens, place) for place, token in enumerate(tokens) if token.lower() == wanted)


def _spelled(word: str, rules: TextRules) -> str:
    """Return the word as a token, in lower case."""
    alone = utf8_texts([word])
    tokens: list[str] = tokenise(alone, rules)[0].as_py()
    spelled: str = tokens[0].lower() if len(tokens) == 1 else normalise(alone, lowercase=True)[0].as_py()
    return spelled


def _batched(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == _LINES_AT_A_TIME:
            yield batch
            batch = []
    if batch:
        yield batch


def _unit(model: ContextualVectors, occurrences: Sequence[Occurrence], layer: int) -> Floats:
    """Return the occurrences' vectors in a layer, scaled to length 1, ``(N, D)``."""
    rows: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)  # of each sentence, which is read once
    for row, occurrence in enumerate(occurrences):
        rows[tuple(occurrence.tokens)].append(row)
    vectors = np.empty((len(occurrences), model.dim), np.float32)
    sentences = list(rows)
    for first in range(0, len(sentences), _SENTENCES_AT_A_TIME):
        some = sentences[first : first + _SENTENCES_AT_A_TIME]
        for sentence, layers in zip(some, read_layers(model, some), strict=True):
            vectors[rows[sentence]] = layers[layer, [occurrences[row].place for row in rows[sentence]]]
    unit: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return unit

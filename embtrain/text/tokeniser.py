"""How a corpus was taken apart, kept with what was trained on it: new texts become the same tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from embtrain.text.phrases import join_phrases
from embtrain.text.rules import TextRules, document_sentences
from embtrain.text.utf8 import utf8_texts


def take_apart(texts: Sequence[str], tokeniser: Tokeniser | None) -> list[list[list[str]]]:
    """Return the sentences of each text; where no tokeniser is known, what blanks separate, as one sentence."""
    return tokeniser.sentences(texts) if tokeniser else [[text.split()] for text in texts]


@dataclass(frozen=True)
class Tokeniser:
    """Rules of text, and the phrases that become one token each."""

    rules: TextRules
    phrases: pa.Table | None = None
    """Table ``embtrain.schema.PHRASES``; None where words stay apart."""

    def document_sentences(self, documents: pa.Array) -> pa.ListArray:
        """Return what :func:`embtrain.text.document_sentences` does, the phrases joined."""
        found = document_sentences(documents, self.rules)
        if self.phrases is None:
            return found
        return pa.ListArray.from_arrays(found.offsets, join_phrases(found.flatten(), self.phrases))

    def sentences(self, texts: Sequence[str]) -> list[list[list[str]]]:
        """Return the sentences of each text as lists of tokens; those without a token are left out."""
        found = self.document_sentences(utf8_texts(texts)).to_pylist()
        return [[sentence.split(" ") for sentence in text if sentence] for text in found]

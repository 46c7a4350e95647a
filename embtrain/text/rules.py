"""The rules by which a corpus is taken apart, and the ways of applying them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from embtrain.text import jamo
from embtrain.text.addresses import MARKS, drop_marks, mark_addresses, name_marks
from embtrain.text.boundaries import split_sentences
from embtrain.text.lengths import count_tokens, cut_long, drop_long_tokens
from embtrain.text.morphemes import DEFAULT_PARTS_OF_SPEECH, PartOfSpeech, separate_morphemes
from embtrain.text.normalise import normalise
from embtrain.text.words import separate_punctuation, separate_whitespace, separate_words


@dataclass(frozen=True)
class TextRules:
    """How text becomes tokens; see :class:`embtrain.config.CorpusSettings`, from which they come.

    Plain values, so that Spark's workers need not import the configuration.
    """

    language: Literal["en", "ko"] = "en"
    tokenizer: Literal["words", "punctuated", "whitespace", "morphemes", "jamo"] = "words"
    parts_of_speech: tuple[PartOfSpeech, ...] = DEFAULT_PARTS_OF_SPEECH
    lowercase: bool = True
    digits: Literal["keep", "zero", "spell"] = "keep"
    urls: Literal["keep", "drop", "mark"] = "keep"
    split_sentences: bool = True
    max_sentence_tokens: int = 1000
    max_token_characters: int = 100

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TextRules:
        """Return the rules whose values were kept as JSON, which has lists for tuples.

        Raises:
            KeyError, TypeError: if they are no rules of text.
        """
        return cls(**{**values, "parts_of_speech": tuple(values["parts_of_speech"])})


def sentences(documents: pa.Array, rules: TextRules) -> pa.Array:
    """Take documents apart to sentences, without those that have no token.

    Args:
        documents: string array, shape ``(D,)``.
        rules: all of them apply.

    Returns:
        String array, shape ``(S,)``, in the order of the documents: the tokens of a sentence,
        separated by single blanks.
    """
    tokenised = measured_sentences(documents, rules)["tokenised"]
    return tokenised.filter(pc.not_equal(tokenised, ""))


def measured_sentences(documents: pa.Array, rules: TextRules) -> pa.RecordBatch:
    """Take documents apart to sentences, and say how long they are and what was left out.

    Args:
        documents: string array, shape ``(D,)``.
        rules: all of them apply.

    Returns:
        ``tokenised string``, the tokens separated by single blanks; ``num_tokens int32``; ``num_dropped int32``,
        tokens left out as too long. A row is a sentence, in the order of the documents, with a token or one left out.
    """
    found = document_sentences(documents, rules).flatten()
    pieces = found.filter(pc.not_equal(found, ""))
    num_tokens = count_tokens(pieces)
    if pc.any(pc.greater(num_tokens, rules.max_sentence_tokens)).as_py():
        pieces = cut_long(pieces, rules.max_sentence_tokens)
        num_tokens = count_tokens(pieces)
    tokenised, num_dropped = drop_long_tokens(pieces, rules.max_token_characters)
    columns = {"tokenised": tokenised, "num_tokens": pc.subtract(num_tokens, num_dropped), "num_dropped": num_dropped}
    return pa.record_batch(columns)


def document_sentences(documents: pa.Array, rules: TextRules) -> pa.ListArray:
    """Take documents apart to sentences, and keep together those of one document.

    Args:
        documents: string array, shape ``(D,)``.
        rules: all but lengths apply: nothing is cut or dropped.

    Returns:
        Lists of strings, shape ``(D,)``: the tokens of a sentence, separated by single blanks; of some none is left.
    """
    if rules.split_sentences:
        split = split_sentences(documents, rules.language)
    else:
        split = pa.ListArray.from_arrays(pa.array(np.arange(len(documents) + 1), pa.int32()), documents)
    return pa.ListArray.from_arrays(split.offsets, _separate(split.flatten(), rules))


def tokenise(texts: pa.Array, rules: TextRules) -> pa.ListArray:
    """Return the tokens of each text, sentence ends ignored and nothing cut.

    Args:
        texts: string array, shape ``(N,)``.
        rules: all apply but those about sentences.

    Returns:
        Array of lists of strings, shape ``(N,)``; the list of a text without tokens is empty.
    """
    tokenised, _ = drop_long_tokens(_separate(texts, rules), rules.max_token_characters)
    tokens = pc.split_pattern(tokenised, " ")
    # Splitting "" gives one empty token.
    return pc.if_else(pc.equal(tokenised, ""), pa.scalar([], tokens.type), tokens)


def _separate(texts: pa.Array, rules: TextRules) -> pa.Array:
    """Return the tokens of each text, separated by single blanks."""
    if rules.urls == "keep":
        return _run_tokenizer(texts, rules, marked=False)
    # Kiwi must see that a particle follows the address at once.
    marked = mark_addresses(texts, apart=rules.tokenizer != "morphemes")
    tokenised = _run_tokenizer(marked, rules, marked=True)
    return name_marks(tokenised) if rules.urls == "mark" else drop_marks(tokenised)


def _run_tokenizer(texts: pa.Array, rules: TextRules, *, marked: bool) -> pa.Array:
    """Separate the tokens, among them the marks of addresses."""
    if rules.tokenizer == "morphemes":
        # Kiwi's dictionary knows capitals and numbers (LG전자, 1박 2일), so case and digits are changed after it.
        composed = normalise(texts, lowercase=False)
        morphemes = separate_morphemes(composed, rules.parts_of_speech, marked=marked)
        return normalise(morphemes, lowercase=rules.lowercase, digits=rules.digits)
    normalised = normalise(texts, lowercase=rules.lowercase, digits=rules.digits)
    if rules.tokenizer == "whitespace":
        return separate_whitespace(normalised)
    kept = MARKS if marked else ""
    if rules.tokenizer == "punctuated":
        return separate_punctuation(normalised, rules.language, kept=kept)
    words = separate_words(normalised, rules.language, kept=kept)
    if rules.tokenizer == "words":
        return words
    return pa.array([jamo.decompose(text) for text in words.to_pylist()], words.type)

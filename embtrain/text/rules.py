"""The rules by which a corpus is taken apart, and the two ways of applying them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from embtrain.text.boundaries import cut_long, split_sentences
from embtrain.text.normalise import normalise
from embtrain.text.words import separate_whitespace, separate_words


@dataclass(frozen=True)
class TextRules:
    """How text becomes tokens; see :class:`embtrain.config.CorpusSettings`, from which they come.

    Plain values, so that Spark's workers need not import the configuration.
    """

    language: Literal["en", "ko"] = "en"
    tokenizer: Literal["words", "whitespace"] = "words"
    lowercase: bool = True
    split_sentences: bool = True
    max_sentence_tokens: int = 1000


def sentences(documents: pa.Array, rules: TextRules) -> pa.Array:
    """Take documents apart to sentences, without those that have no token.

    Args:
        documents: string array, shape ``(D,)``.
        rules: all of them apply.

    Returns:
        String array, shape ``(S,)``, in the order of the documents: the tokens of a sentence,
        separated by single blanks.
    """
    tokenised = document_sentences(documents, rules).flatten()
    return cut_long(tokenised.filter(pc.not_equal(tokenised, "")), rules.max_sentence_tokens)


def document_sentences(documents: pa.Array, rules: TextRules) -> pa.ListArray:
    """Take documents apart to sentences, and keep together those of one document.

    Args:
        documents: string array, shape ``(D,)``.
        rules: all but lengths apply: nothing is cut.

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
        rules: language, tokenizer and case apply.

    Returns:
        Array of lists of strings, shape ``(N,)``; the list of a text without tokens is empty.
    """
    tokens = pc.split_pattern(_separate(texts, rules), " ")
    # Splitting "" gives one empty token.
    return pc.if_else(pc.equal(pc.binary_join(tokens, " "), ""), pa.scalar([], tokens.type), tokens)


def _separate(texts: pa.Array, rules: TextRules) -> pa.Array:
    normalised = normalise(texts, lowercase=rules.lowercase)
    if rules.tokenizer == "whitespace":
        return separate_whitespace(normalised)
    return separate_words(normalised, rules.language)

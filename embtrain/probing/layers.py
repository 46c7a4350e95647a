"""Any model as layers: those of an ELMo, or the one layer of word vectors, which knows no context."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pyarrow as pa

from embtrain.contextual_vectors import ContextualVectors, Sentences
from embtrain.text import Tokeniser
from embtrain.text.normalise import normalise
from embtrain.vectors import Floats, Vectors


def compared_names(model: Vectors | ContextualVectors) -> list[str]:
    """Return what is compared of a model: ``words``, ``LSTM 1``, ``LSTM 2`` and their ``mean``, or ``words`` alone."""
    if isinstance(model, Vectors):
        return ["words"]
    return ["words", *(f"LSTM {number}" for number in range(1, model.num_layers)), "mean"]


def read_compared(model: Vectors | ContextualVectors, sentences: Sentences) -> list[Floats]:
    """Return all layers of each sentence's tokens, and where there are several, their mean: ``(L + 1, tokens, D)``.

    The mean is what an ELMo encodes tokens by, unless a task weighs the layers.
    """
    found = read_layers(model, sentences)
    if isinstance(model, Vectors):
        return found
    return [np.concatenate([layers, layers.mean(axis=0, keepdims=True)]) for layers in found]


def read_layers(model: Vectors | ContextualVectors, sentences: Sentences) -> list[Floats]:
    """Return all layers of each sentence's tokens, ``(L, tokens, D)``.

    Tokens are taken as they are, but for case and digits, which follow the rules that an ELMo was trained by. Of word
    vectors a token has that of its very form, else of its lower case, else zeros.
    """
    if isinstance(model, ContextualVectors):
        return model.layers([_as_in_training(sentence, model.tokeniser) for sentence in sentences])
    forms = {token: _form(token, model) for sentence in sentences for token in sentence}
    unseen = [token for token, form in forms.items() if form is None]
    forms.update((token, token) for token in itertools.compress(unseen, model.known(unseen)))  # n-grams make some
    return [_rows(model, [forms[token] for token in sentence])[None] for sentence in sentences]


def _as_in_training(sentence: Sequence[str], tokeniser: Tokeniser | None) -> list[str]:
    if tokeniser is None or not sentence:
        return list(sentence)
    rules = tokeniser.rules
    # A spelled number would be several tokens.
    digits: Literal["zero", "keep"] = "zero" if rules.digits == "zero" else "keep"
    tokens = pa.array(sentence, pa.string())
    spelled: list[str] = normalise(tokens, lowercase=rules.lowercase, digits=digits).to_pylist()
    return spelled


def _form(token: str, vectors: Vectors) -> str | None:
    return next((form for form in (token, token.lower()) if form in vectors.key_to_index), None)


def _rows(vectors: Vectors, forms: Sequence[str | None]) -> Floats:
    rows = np.zeros((len(forms), vectors.vector_size), np.float32)
    known = [place for place, form in enumerate(forms) if form is not None]
    rows[known] = vectors[[form for form in forms if form is not None]]
    return rows

"""The settings of ``embtrain classify``: with those of ``embtrain.config``, whose part they are, the one place."""

from __future__ import annotations

import codecs
from typing import Literal

from pydantic import Field, field_validator

from embtrain.section import Count, Fraction, Integer, Number, Section

RANDOM = "random"
"""The input of word vectors that start at random: the control."""


# Codecs of Python that encode host names rather than texts.
_OF_HOST_NAMES = {"idna", "punycode"}


def sources_of(text: str) -> list[str]:
    """Return what an input is put together from: ``models:/elmo@champion + glove.txt`` names two."""
    return [source.strip() for source in f" {text} ".split(" + ")]


class ClassifySettings(Section):
    """A classifier of texts: `corpus` has its table, its text column and what a token is, `train` the threads."""

    label_column: str = "label"
    """Which column holds the label: strings, whole numbers or booleans."""
    encoding: str = "utf-8"
    """Encoding of CSV and TSV files, by Python's names: `latin-1`, `cp949`, …"""
    test_paths: list[str] = Field([])
    """Files to test on, in the format of `corpus.paths`. Empty: test on a part of `corpus.paths`."""
    test_part: Literal["last", "hash"] = "last"
    """Which part of `corpus.paths` to test on if there are no `test_paths`: the last rows, or rows chosen by a hash of
    the text, so that copies of a text stay together."""
    test_fraction: Fraction = 0.2
    """Share of the rows to test on."""
    dev_fraction: Fraction = 0.1
    """Share of the other rows, chosen by a hash of the text, that is not trained on but decides when to stop."""
    inputs: list[str] = Field([RANDOM], min_length=1)
    """Inputs to compare, one classifier each: MODEL, word vectors or an ELMo; `random`, word vectors initialised at
    random; or several concatenated, `MODEL + MODEL`."""
    frozen: bool = True
    """False: MODEL's word vectors are trained further. Vectors of `random` always are, layers of an ELMo never."""
    layer_norm: bool = False
    """True: each layer of an ELMo is brought to mean 0 and variance 1, token by token, before the layers are mixed."""
    dim: Integer = Field(100, ge=1, le=4096)
    """Numbers per vector of `random`."""
    max_words: Integer = Field(100_000, ge=0)
    """Word vectors of MODEL's most frequent words that the classifier keeps for new texts, besides those of the words
    it was trained on."""
    max_tokens: Integer = Field(400, ge=1)
    """Longer texts are cut after this many tokens."""
    encoder: Literal["bilstm", "mean"] = "bilstm"
    """`bilstm`: an LSTM in each direction, mean and maximum of its outputs. `mean`: the mean of the tokens' vectors."""
    hidden_dim: Integer = Field(100, ge=1, le=4096)
    """Numbers per token and direction of `bilstm`."""
    dropout: Fraction = 0.5
    """Share of the numbers in the vectors of tokens and of texts that is dropped at random in training."""
    learning_rate: Number = Field(1e-3, gt=0, le=10)
    """Learning rate of Adam."""
    batch_size: Integer = Field(32, ge=1)
    """Texts per step."""
    epochs: Integer = Field(30, ge=1)
    """At most this many passes over the training part."""
    patience: Integer = Field(5, ge=1)
    """Stop after this many passes without a lower loss on the dev part. The classifier of the best pass is kept."""
    seeds: list[Count] = Field([1], min_length=1)
    """Seeds: for each input, one classifier is trained with each."""

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, encoding: str) -> str:
        try:
            # Some of Python's codecs, such as hex, are of bytes.
            "".encode(encoding)
            name = codecs.lookup(encoding).name
        except (LookupError, UnicodeError):
            name = None
        if name is None or name in _OF_HOST_NAMES:
            raise ValueError(f"classify.encoding: Python knows no encoding of text {encoding!r}; try utf-8")
        return name

    @field_validator("inputs")
    @classmethod
    def _differ(cls, inputs: list[str]) -> list[str]:
        for text in inputs:
            if not all(sources_of(text)):
                raise ValueError(f"classify.inputs: expected MODEL, random, or several joined by ' + ', found {text!r}")
        if len(set(inputs)) < len(inputs):
            raise ValueError(f"classify.inputs: name each input only once, found {', '.join(inputs)}")
        return inputs

    @field_validator("seeds")
    @classmethod
    def _are_different(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"classify.seeds: name each seed only once, found {', '.join(map(str, seeds))}")
        return seeds

    @field_validator("dev_fraction", "test_fraction")
    @classmethod
    def _is_not_empty(cls, fraction: float) -> float:
        if not fraction:
            raise ValueError("classify.dev_fraction and classify.test_fraction must be above 0")
        return fraction

"""The settings of single tables, such as which words are joined, and which get an id: a part of ``embtrain.config``."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import Field, model_validator

from embtrain.section import Integer, Number, Section, Token
from embtrain.text.subwords import Units


class PhrasesSettings(Section):
    """Pairs of words that belong together, joined into one token: *new_york*."""

    passes: Integer = Field(0, ge=0, le=10)
    """How often pairs are counted and joined. 0: never. 1: phrases of two words. 2: of up to four."""
    score: Literal["word2vec", "npmi"] = "word2vec"
    """Score of a pair. `word2vec`: as word2phrase.c, any number above 0. `npmi`: normalised pointwise mutual
    information, -1 to 1."""
    threshold: Number = 100
    """Pairs that score higher are joined. With `score: npmi` the default is 0.5."""
    min_count: Integer = Field(5, ge=1)
    """Pairs that occur less often are not joined; word2vec's score also subtracts this from each pair's
    count."""

    @model_validator(mode="before")
    @classmethod
    def _default_threshold(cls, values: Any) -> Any:
        """Give each score a threshold in its own range, unless the run file says one."""
        if isinstance(values, dict) and values.get("score") == "npmi":
            return {"threshold": 0.5, **values}
        return values

    @model_validator(mode="after")
    def _threshold_in_range(self) -> PhrasesSettings:
        low, high = {"word2vec": (0, math.inf), "npmi": (-1, 1)}[self.score]
        if not low <= self.threshold < high:
            bounds = f"at least {low}" if high == math.inf else f"at least {low} and below {high}"
            raise ValueError(f"phrases.threshold must be {bounds} with score {self.score}, found {self.threshold:g}")
        return self


class VocabularySettings(Section):
    """Which tokens get an id."""

    min_count: Integer = Field(5, ge=1)
    """Tokens that occur less often are left out."""
    max_size: Integer = Field(5_000_000, ge=1)
    """At most this many tokens, the most frequent ones."""
    always_keep: list[Token] = Field([])
    """Tokens that are kept however rare they are, if they occur at all; spelled as the tokenizer returns them."""
    always_drop: list[Token] = Field([])
    """Tokens that are left out however frequent they are, such as stop words."""

    @model_validator(mode="after")
    def _what_is_kept_can_be_kept(self) -> VocabularySettings:
        both = sorted({*self.always_keep} & {*self.always_drop})
        if both:
            raise ValueError(f"vocabulary.always_keep and vocabulary.always_drop both name {', '.join(both)}")
        if len(self.always_keep) > self.max_size:
            raise ValueError(
                f"vocabulary.max_size ({self.max_size}) must not be below the {len(self.always_keep)} tokens "
                "of vocabulary.always_keep"
            )
        return self


class UnigramSettings(Section):
    """How frequent tokens are subsampled, and how negatives are drawn."""

    subsample_threshold: Number = Field(1e-4, ge=0)
    """Threshold of subsampling (Mikolov et al., 2013b, eq. 5, in word2vec.c's form). 0 keeps every occurrence."""
    negative_exponent: Number = Field(0.75, ge=-2, le=2)
    """Negatives are drawn in proportion to count ** exponent."""


class SubwordSettings(Section):
    """The character n-grams that FastText's vectors are made of."""

    min_n: Integer = Field(3, ge=1)
    """Length of the shortest n-grams of `<word>`, in characters; `<` and `>` count."""
    max_n: Integer = Field(6, ge=1, le=20)
    """Length of the longest n-grams."""
    buckets: Integer = Field(2_000_000, ge=1, lt=2**31)
    """Number of hash buckets. N-grams in the same bucket share a vector."""
    units: Units = "syllables"
    """Units of the n-grams. `syllables`: the characters as written, in every language. `jamo`: the letters of Korean
    syllables, three each (Park et al., 2018)."""

    @model_validator(mode="after")
    def _min_n_is_not_above_max_n(self) -> SubwordSettings:
        if self.min_n > self.max_n:
            raise ValueError(f"subwords.min_n ({self.min_n}) must not be above subwords.max_n ({self.max_n})")
        return self


class CooccurrenceSettings(Section):
    """How the table `cooccurrence` is counted, as Stanford's cooccur does it."""

    window: Integer = Field(10, ge=1, le=1000)
    """Tokens on each side. Windows end with the sentence and skip tokens outside the vocabulary."""
    context: Literal["symmetric", "left", "right"] = "symmetric"
    """Which neighbours a token's row has: all, those before it, or those after it."""
    weighting: Literal["harmonic", "flat"] = "harmonic"
    """Weight of one co-occurrence. `harmonic`: 1 / distance (Pennington et al., 2014). `flat`: 1 at every distance."""
    min_weight: Number = Field(0, ge=0)
    """Cells of less weight are left out."""

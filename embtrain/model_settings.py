"""The settings of each model: with those of ``embtrain.config``, whose part they are, the one place of defaults."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from embtrain.elmo_settings import ElmoSettings
from embtrain.section import Integer, Number, Section


class WindowedModel(Section):
    """What skip-gram, CBOW and FastText share."""

    dim: Integer = Field(100, ge=1, le=4096)
    """Numbers per vector."""
    window: Integer = Field(5, ge=1, le=1000)
    """Tokens on each side of the center."""
    dynamic_window: bool = True
    """Draw each window's width from 1..window, as word2vec does, so that near words weigh more."""


class Word2VecModel(WindowedModel):
    """What skip-gram and CBOW share."""

    objective: Literal["negative_sampling", "softmax", "hierarchical_softmax"] = "negative_sampling"
    """How a word is predicted. `negative_sampling`: against sampled negatives. `softmax`: against all words, exactly;
    for small vocabularies. `hierarchical_softmax`: by its path through a Huffman tree, as word2vec.c's `-hs 1`."""
    num_negatives: Integer = Field(5, ge=1, le=100)
    """Negatives per prediction. Only for `objective: negative_sampling`."""

    @model_validator(mode="after")
    def _negatives_are_sampled(self) -> Word2VecModel:
        if self.objective != "negative_sampling" and "num_negatives" in self.model_fields_set:
            raise ValueError(
                f"model.num_negatives does not apply to model.objective {self.objective}, which draws no negatives; "
                "leave it out"
            )
        return self


class SgnsSettings(Word2VecModel):
    """Skip-gram (Mikolov et al., 2013a), by default with negative sampling (2013b)."""

    type: Literal["sgns", "skipgram"] = "sgns"
    """The model: `sgns`, `cbow`, `fasttext`, `glove`, `elmo`, `ppmi_svd` or `lsa`. `skipgram` is another name of
    `sgns`."""
    learning_rate: Number = Field(0.025, gt=0, le=10)
    """Learning rate at the start; it falls to `train.final_learning_rate`."""


class CbowSettings(Word2VecModel):
    """Continuous bag of words (Mikolov et al., 2013a), by default with negative sampling (2013b)."""

    type: Literal["cbow"] = "cbow"
    """The model."""
    learning_rate: Number = Field(0.15, gt=0, le=10)
    """Learning rate at the start. With `gradient: word2vec`, whose steps are longer, the default is 0.05, as in
    word2vec.c."""
    gradient: Literal["corrected", "word2vec"] = "corrected"
    """`corrected`: the true gradient of the mean, which divides the step of each context row by the number of rows
    (Irsoy et al., 2020, arXiv 2012.15332). `word2vec`: without the division, as word2vec.c and gensim."""

    @model_validator(mode="before")
    @classmethod
    def _default_learning_rate(cls, values: Any) -> Any:
        """Give the longer steps of word2vec's gradient a lower rate, unless the run file says one."""
        if isinstance(values, dict) and values.get("gradient") == "word2vec":
            return {"learning_rate": 0.05, **values}
        return values

    @model_validator(mode="after")
    def _softmax_is_exact(self) -> CbowSettings:
        if self.objective == "softmax" and self.gradient != "corrected":
            raise ValueError(
                "model.gradient word2vec does not apply to model.objective softmax, which has its own exact gradient; "
                "leave it out"
            )
        return self


class FastTextSettings(WindowedModel):
    """FastText (Bojanowski et al., 2017): words as the mean of their own vector and those of their n-grams."""

    type: Literal["fasttext"] = "fasttext"
    """The model. The section `subwords` says which n-grams."""
    architecture: Literal["skipgram", "cbow"] = "skipgram"
    """What predicts the center. `skipgram`: each context word. `cbow`: the mean of all context words and n-grams."""
    num_negatives: Integer = Field(5, ge=1, le=100)
    """Negatives per prediction."""
    learning_rate: Number = Field(0.042, gt=0, le=10)
    """Learning rate at the start. Facebook's program has 0.05."""


class GloveSettings(Section):
    """GloVe (Pennington et al., 2014). It trains from the table of co-occurrences, whose window decides what counts."""

    type: Literal["glove"] = "glove"
    """The model."""
    dim: Integer = Field(100, ge=1, le=4096)
    """Numbers per vector."""
    x_max: Number = Field(10, gt=0)
    """A cell of at least this weight has full weight in the loss. 10 suits some ten million words; the paper used 100
    for billions."""
    exponent: Number = Field(0.75, ge=0, le=1)
    """Below `x_max` a cell is weighted by (x / x_max) ** exponent."""
    learning_rate: Number = Field(0.05, gt=0, le=10)
    """Learning rate of AdaGrad, whose steps become shorter without a schedule."""
    vectors: Literal["sum", "word", "both"] = "sum"
    """`sum`: word plus context vector, as in the paper. `word`: the word vector alone. `both`: the two concatenated,
    2 * dim numbers."""


class FactorisedModel(Section):
    """What PPMI-SVD and LSA share. They are computed in one pass: of `train` only `threads` and `seed` apply."""

    dim: Integer = Field(100, ge=1, le=4096)
    """Numbers per vector: the singular values that are kept."""


class PpmiSvdSettings(FactorisedModel):
    """Singular vectors of positive pointwise mutual information (Levy et al., 2015), from the co-occurrences."""

    type: Literal["ppmi_svd"] = "ppmi_svd"
    """The model."""
    context_smoothing: Number = Field(0.75, ge=0, le=1)
    """A context's probability is proportional to its count to this power: below 1, rare contexts weigh less."""
    shift: Number = Field(1, gt=0)
    """log(shift) is subtracted from each PMI, and negative results become 0. 5 corresponds to skip-gram with 5
    negatives."""
    eigenvalue_weight: Number = Field(0.5, ge=0, le=1)
    """The vectors are multiplied by the singular values to this power; usual are 0, 0.5 and 1."""


class LsaSettings(FactorisedModel):
    """Latent semantic analysis (Deerwester et al., 1990): singular vectors of TF-IDF, from the terms of documents."""

    type: Literal["lsa"] = "lsa"
    """The model."""
    eigenvalue_weight: Number = Field(1, ge=0, le=1)
    """The words' vectors are multiplied by the singular values to this power; the documents' always by the singular
    values."""


SampledModel = SgnsSettings | CbowSettings | FastTextSettings
"""Models that predict words in windows, against sampled ones."""

TrainedModel = SgnsSettings | CbowSettings | ElmoSettings | FastTextSettings | GloveSettings
ModelSettings = Annotated[TrainedModel | PpmiSvdSettings | LsaSettings, Field(discriminator="type")]

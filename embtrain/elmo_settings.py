"""The settings of ELMo: the sizes of a bidirectional language model, and how it is trained."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from embtrain.section import Count, Fraction, Integer, Number, Section
from embtrain.text.characters import CHARACTERS_PER_WORD

Filters = Annotated[Integer, Field(ge=1, le=65536)]


class ElmoArchitecture(Section):
    """The sizes of a bidirectional language model (Peters et al., 2018), from characters to layers."""

    char_dim: Integer = Field(16, ge=1, le=1024)
    """Numbers per character."""
    filters: list[tuple[Count, Filters]] = Field([(1, 32), (2, 32), (3, 64), (4, 128)], min_length=1, max_length=50)
    """Convolutions over characters: width and number of each kind."""
    activation: Literal["relu", "tanh"] = "relu"
    """Activation function of the convolutions."""
    highways: Integer = Field(1, ge=0, le=10)
    """Highway layers between the convolutions and the projection."""
    projection_dim: Integer = Field(64, ge=1, le=4096)
    """Numbers per word, and per direction in each layer: a token's vector has twice as many."""
    cell_dim: Integer = Field(512, ge=1, le=65536)
    """Cells of an LSTM."""
    layers: Integer = Field(2, ge=1, le=10)
    """Stacked LSTMs of each direction."""
    skip_connections: bool = True
    """Each layer except the first adds its input to its output."""
    cell_clip: Number | None = Field(3, gt=0)
    """Cells are clipped to this absolute value. None: no clipping."""
    projection_clip: Number | None = Field(3, gt=0)
    """Outputs of the LSTMs are clipped to this absolute value. None: no clipping."""

    @property
    def num_filters(self) -> int:
        """Return the number of filters of all widths."""
        return sum(number for _, number in self.filters)

    @field_validator("filters")
    @classmethod
    def _widths_fit_in_a_word(cls, filters: list[tuple[int, int]]) -> list[tuple[int, int]]:
        widest = max(width for width, _ in filters)
        if widest > CHARACTERS_PER_WORD:
            raise ValueError(f"model.filters: a word has {CHARACTERS_PER_WORD} characters, found a width of {widest}")
        return filters


class ElmoSettings(ElmoArchitecture):
    """ELMo (Peters et al., 2018). The defaults train on a CPU; docs/elmo.md has the published sizes."""

    type: Literal["elmo"] = "elmo"
    """The model."""
    num_samples: Integer = Field(4096, ge=1)
    """Words that each prediction is scored against, drawn once per batch, frequent ones more often. A vocabulary of
    at most twice as many words is scored whole, which is exact."""
    share_softmax: bool = True
    """Both directions use the same softmax weights."""
    batch_size: Integer = Field(32, ge=1, le=65536)
    """Rows of text that each process reads side by side."""
    unroll_steps: Integer = Field(20, ge=1, le=10_000)
    """Words of a row between two steps of training. Gradients are cut there; the LSTMs' states are kept."""
    dropout: Fraction = 0.1
    """Share of the numbers that is dropped before each LSTM, and before the softmax."""
    learning_rate: Number = Field(0.2, gt=0, le=10)
    """Learning rate of Adagrad at the start; it falls to `train.final_learning_rate`."""
    max_gradient_norm: Number = Field(10, gt=0)
    """Gradients are clipped to this norm."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of matrix products. `auto`: bfloat16 on a GPU, float32 on a CPU."""

"""What reads tokens: word vectors, random vectors to compare with, and the layers of an ELMo.

An input has two halves. ``features`` turns the tokens of all texts into an array with a row per token, once for all
passes and classifiers; ``module`` is the part of a network that turns those rows into vectors, and may learn.

Shapes: T tokens of all texts, L layers, D numbers per token.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from torch import Tensor, nn

from embtrain.classify.tokens import Tokens
from embtrain.classify.words import Words, embedding_of, random_embedding
from embtrain.contextual_vectors import ContextualVectors
from embtrain.errors import FormatError, SetupError
from embtrain.formats import elmo
from embtrain.formats.files import errors_named
from embtrain.models.elmo.representation import Representation
from embtrain.planning.wording import in_bytes
from embtrain.vectors import Floats, Vectors

_WORDS = pa.schema([("word", pa.string())])

# Texts whose layers are computed at a time.
_TEXTS_AT_A_TIME = 256


class Input(Protocol):
    """What the workflow and a saved classifier ask of an input."""

    dim: int
    """D."""

    def features(self, tokens: Tokens) -> npt.NDArray[Any]:
        """Return an array ``(T, …)`` of what the module reads."""
        ...

    def module(self) -> nn.Module:
        """Return a new module, from ``(B, T, …)`` to ``(B, T, D)``; rows of zeros give zeros."""
        ...

    def describe(self) -> dict[str, Any]:
        """Return what ``load_input`` needs to know."""
        ...

    def save(self, folder: Path) -> None:
        """Write what ``load_input`` reads, but for the module's weights."""
        ...


class WordInput:
    """Vectors by the row of a word in an embedding."""

    def __init__(self, words: Words, dim: int, embedding: Callable[[], nn.Embedding]) -> None:
        self.words = words
        self.dim = dim
        self.module = embedding

    @classmethod
    def of_vectors(cls, vectors: Vectors, tokens: pa.Array, *, max_words: int, frozen: bool) -> WordInput:
        """Take the vectors of the most frequent words, and of those among ``tokens``."""
        words = Words.with_vectors(vectors, tokens, max_words)
        matrix = words.matrix(vectors)
        return cls(words, vectors.vector_size, lambda: embedding_of(matrix, frozen=frozen))

    @classmethod
    def random(cls, tokens: pa.Array, dim: int) -> WordInput:
        """Take random vectors, of the words among ``tokens``."""
        return cls.of_words(Words.in_texts(tokens), dim)

    @classmethod
    def of_words(cls, words: Words, dim: int) -> WordInput:
        """Take random vectors of some words, in whose place trained ones may be loaded."""
        return cls(words, dim, lambda: random_embedding(len(words), dim))

    def features(self, tokens: Tokens) -> npt.NDArray[np.int64]:
        """Return the rows of the tokens, ``(T,)``."""
        return self.words.rows(tokens.flat)

    def describe(self) -> dict[str, Any]:
        """Return the kind and D."""
        return {"kind": "words", "dim": self.dim}

    def save(self, folder: Path) -> None:
        """Write the words."""
        folder.mkdir()
        pq.write_table(pa.table([self.words.words], schema=_WORDS), folder / "words.parquet", compression="zstd")


class ElmoInput:
    """The layers of a biLM, which is not trained; how they are mixed is (Peters et al., 2018, eq. 1).

    Args:
        model: the biLM; its layers are computed where it is.
        layer_norm: bring each token's layers to mean 0 and variance 1 before they are mixed.
    """

    def __init__(self, model: ContextualVectors, *, layer_norm: bool = False) -> None:
        self.model = model
        self.dim = model.dim
        self._layer_norm = layer_norm

    def features(self, tokens: Tokens) -> Floats:
        """Return all layers of the tokens, ``(T, L, D)``, in a temporary file: they may not fit into memory.

        Raises:
            SetupError: if the disk has no room for it.
        """
        shape = (len(tokens.flat), self.model.num_layers, self.dim)
        if not shape[0]:
            return np.zeros(shape, np.float32)
        layers = _on_disk(shape)
        for first in range(0, len(tokens), _TEXTS_AT_A_TIME):
            last = min(first + _TEXTS_AT_A_TIME, len(tokens))
            found = self.model.layers(tokens.sentences(first, last))
            layers[tokens.offsets[first] : tokens.offsets[last]] = np.concatenate(found, axis=1).swapaxes(0, 1)
        return layers

    def module(self) -> nn.Module:
        """Return equal weights of the layers."""
        return _MixedLayers(self.model.num_layers, layer_norm=self._layer_norm)

    def describe(self) -> dict[str, Any]:
        """Return the kind, and whether layers are normalised."""
        return {"kind": "elmo", "layer_norm": self._layer_norm}

    def save(self, folder: Path) -> None:
        """Write the biLM as it is published."""
        elmo.write(self.model, folder)


class _MixedLayers(nn.Module):
    """The weighted sum of layers, ``(B, T, L, D)`` to ``(B, T, D)``."""

    def __init__(self, num_layers: int, *, layer_norm: bool) -> None:
        super().__init__()
        self.representation = Representation(num_layers, layer_norm=layer_norm)

    def forward(self, layers: Tensor) -> Tensor:
        mixed: Tensor = self.representation(layers.movedim(2, 0))
        return mixed


def _on_disk(shape: tuple[int, ...]) -> Floats:
    """Return an array in a temporary file whose room is taken at once.

    A file that grew as it is written to would end the process by SIGBUS where the disk is full.

    Raises:
        SetupError: if the disk has not the room.
    """
    num_bytes = math.prod(shape) * np.dtype(np.float32).itemsize
    with tempfile.TemporaryFile() as file:
        try:
            os.posix_fallocate(file.fileno(), 0, num_bytes)
        except OSError as error:
            raise SetupError(
                f"the layers of an ELMo take {in_bytes(num_bytes)} in {tempfile.gettempdir()}: {error.strerror}; "
                "free that much, or set TMPDIR to a folder with room for it"
            ) from None
        array: Floats = np.memmap(file, np.float32, "r+", shape=shape)
    return array


def load_input(folder: Path, description: dict[str, Any]) -> Input:
    """Return the input that ``save`` wrote.

    Raises:
        FormatError: if it is of no known kind, or damaged.
    """
    match description:
        case {"kind": "words", "dim": int(dim)}:
            return WordInput.of_words(_read_words(folder / "words.parquet"), dim)
        case {"kind": "elmo", **how}:
            return ElmoInput(elmo.read(folder), layer_norm=how.get("layer_norm") is True)
        case _:
            raise FormatError(f"{folder}: expected an input of words or an ELMo, found {description}")


def _read_words(path: Path) -> Words:
    with errors_named(path):
        table = pq.read_table(path)
        if table.schema != _WORDS:
            raise FormatError(f"{path}: expected one column of strings, 'word', found {', '.join(table.column_names)}")
    return Words(table["word"].to_pylist())

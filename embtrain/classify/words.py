"""Words with a row each in a ``torch.nn.Embedding``: those of word vectors, or random ones to compare with."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch

from embtrain.vectors import Floats, Vectors

UNKNOWN = 0
"""The row of words that are not known, and of padding: it is zero and stays so."""

# Of the standard deviation of random vectors.
_RANDOM_SCALE = 0.1


class Words:
    """Finds the row of a token: that of the very token, else of its lower case, else ``UNKNOWN``.

    Args:
        words: the words of rows 1, 2, …
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = pa.array(words, pa.string())

    @classmethod
    def in_texts(cls, tokens: pa.Array) -> Words:
        """Return the different tokens, by their bytes."""
        return cls(sorted(pc.unique(tokens).to_pylist()))

    @classmethod
    def with_vectors(cls, vectors: Vectors, tokens: pa.Array, max_words: int) -> Words:
        """Return the most frequent words of the vectors, and of each token what gives it a vector.

        That is the token itself, else its lower case, else, where n-grams make vectors of unseen words, the token.
        """
        kept = dict.fromkeys(vectors.index_to_key[:max_words])
        unseen = []
        for word in pc.unique(tokens).to_pylist():
            form = word if word in vectors.key_to_index else word.lower()
            if form in vectors.key_to_index:
                kept[form] = None
            else:
                unseen.append(word)
        return cls([*kept, *itertools.compress(unseen, vectors.known(unseen))])

    def __len__(self) -> int:
        return len(self.words)

    def rows(self, tokens: pa.Array) -> npt.NDArray[np.int64]:
        """Return the row of each token, shape ``(T,)``."""
        exact = pc.index_in(tokens, self.words)
        found = pc.coalesce(exact, pc.index_in(pc.utf8_lower(tokens), self.words), pa.scalar(-1, pa.int32()))
        rows: npt.NDArray[np.int64] = found.to_numpy(zero_copy_only=False).astype(np.int64) + 1
        return rows

    def matrix(self, vectors: Vectors) -> Floats:
        """Return the starting rows of the embedding, ``(words + 1, D)``."""
        zeros = np.zeros((1, vectors.vector_size), np.float32)
        return np.concatenate([zeros, vectors[self.words.to_pylist()]])


def random_embedding(num_words: int, dim: int) -> torch.nn.Embedding:
    """Return an embedding that starts at random, by torch's generator: it is there to be trained."""
    embedding = torch.nn.Embedding(num_words + 1, dim, padding_idx=UNKNOWN)
    torch.nn.init.normal_(embedding.weight, std=_RANDOM_SCALE)
    with torch.no_grad():
        embedding.weight[UNKNOWN] = 0
    return embedding


def embedding_of(matrix: Floats, *, frozen: bool) -> torch.nn.Embedding:
    """Return an embedding that starts at word vectors."""
    embedding = torch.nn.Embedding(len(matrix), matrix.shape[1], padding_idx=UNKNOWN)
    with torch.no_grad():
        embedding.weight.copy_(torch.from_numpy(matrix))
    return embedding.requires_grad_(requires_grad=not frozen)

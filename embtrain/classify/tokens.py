"""Texts as tokens end to end, arrays with a row per token, and batches of texts padded to the longest."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch

from embtrain.text import TextRules, tokenise


@dataclass(frozen=True)
class Tokens:
    """The tokens of N texts one after the other, ``(T,)``; text i begins at ``offsets[i]``, ``(N + 1,)``."""

    flat: pa.Array
    offsets: npt.NDArray[np.int64]

    @classmethod
    def of(cls, texts: pa.Array, rules: TextRules, max_tokens: int) -> Tokens:
        """Take texts apart, and keep their first ``max_tokens`` tokens; a text may have none."""
        lists = pc.list_slice(tokenise(texts, rules), 0, max_tokens)
        lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
        return cls(lists.flatten(), np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def num_empty(self) -> int:
        """Return how many texts have no token."""
        return int(np.count_nonzero(np.diff(self.offsets) == 0))

    def sentences(self, first: int, last: int) -> list[list[str]]:
        """Return the tokens of the texts ``first`` to ``last - 1`` as lists."""
        bounds = self.offsets[first : last + 1].tolist()
        words = self.flat.slice(bounds[0], bounds[-1] - bounds[0]).to_pylist()
        return [words[a - bounds[0] : b - bounds[0]] for a, b in itertools.pairwise(bounds)]


@dataclass(frozen=True)
class Batch:
    """B texts of at most T tokens: for each input an array ``(B, T, …)``, zeros past the end, and lengths ``(B,)``."""

    inputs: list[torch.Tensor]
    lengths: torch.Tensor


@dataclass(frozen=True)
class Features:
    """What the inputs make of texts: for each input an array ``(tokens, …)``, cut to texts by ``offsets``."""

    arrays: Sequence[npt.NDArray[np.generic]]
    offsets: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def batch(self, texts: npt.NDArray[np.int64], device: str | torch.device = "cpu") -> Batch:
        """Return the texts of these numbers, ``(B,)``, padded; a text without tokens has one of zeros."""
        starts = self.offsets[texts]
        lengths = self.offsets[texts + 1] - starts
        steps = np.arange(max(1, lengths.max(initial=0)))
        is_token = steps < lengths[:, None]
        rows = (starts[:, None] + steps)[is_token]
        inputs = []
        for array in self.arrays:
            padded = np.zeros((*is_token.shape, *array.shape[1:]), array.dtype)
            padded[is_token] = array[rows]
            inputs.append(torch.from_numpy(padded).to(device))
        return Batch(inputs, torch.from_numpy(np.maximum(lengths, 1)))

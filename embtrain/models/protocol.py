"""What the training loop asks of a model, whatever it runs on.

A model that updates its arrays in place on CPU threads, one whose kernels run on a GPU and one that
torch differentiates all fit behind this: the loop hands over blocks of text or of counts and gets tallies back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from embtrain.data.vocabulary import Vocabulary
from embtrain.distributed import Group
from embtrain.subword_vectors import SubwordVectors

BlockT_contra = TypeVar("BlockT_contra", contravariant=True)


@dataclass(frozen=True)
class Tally:
    """What a piece of training amounted to. Tallies add up."""

    items: int = 0
    """What was gone through: tokens of the text before subsampling, or cells of co-occurrence."""
    pairs: int = 0
    """Predictions made: pairs for skip-gram, centers for CBOW, cells for GloVe."""
    loss: float = 0.0
    """Their loss, summed in float64: in nats, or for GloVe its weighted squared error."""

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.items + other.items, self.pairs + other.pairs, self.loss + other.loss)

    @property
    def measures(self) -> dict[str, float]:
        """Return what else is known of it, by name, such as the perplexity of a language model."""
        return {}

    @property
    def loss_per_pair(self) -> float:
        """Return the mean loss; NaN where there was no pair."""
        return self.loss / self.pairs if self.pairs else float("nan")


CARRIED = "carried."
"""Begins the names of arrays that have something for each row of text that all processes read side by side, along
their second axis: with another number of processes a checkpoint has more of it, or less."""


class Merger(Protocol):
    """Brings the copies of several processes together; every process calls it as often as the others."""

    def __call__(self, items: Sequence[float], *, settle: bool) -> None:
        """Do so, or not yet: how often is for the model to say.

        Args:
            items: that each process has trained on since the last call, by rank.
            settle: afterwards all copies are to be the same.
        """


def alone(items: Sequence[float], *, settle: bool) -> None:
    """Merge nothing: a :class:`Merger` for one process."""


class Model(Protocol[BlockT_contra]):
    """A model in training."""

    def train(self, block: BlockT_contra, learning_rate: Callable[[int], float], seed: int) -> Iterator[Tally]:
        """Train on a block, and yield what was done every few milliseconds.

        Args:
            block: the text, or the cells.
            learning_rate: of the number of the block's items gone through before.
            seed: decides on all that is drawn.
        """

    def loss(self, block: BlockT_contra, seed: int) -> Tally:
        """Measure the loss on a block without changing anything."""

    def merger(self, group: Group, words: float) -> Merger:
        """Return what brings the copies of several processes together.

        Args:
            group: the processes; of one alone nothing is merged.
            words: that each process trains on between merges. Models whose processes must exchange what they
                have after each round of blocks do not ask for it.
        """

    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return all that training changes, by name: what a checkpoint holds."""

    def load_state(self, state: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Take over what :meth:`state` of the same model returned, here or elsewhere."""

    def vectors(self) -> npt.NDArray[np.float32]:
        """Return the word vectors. Shape ``(V, D)``."""


@runtime_checkable
class SubwordModel(Protocol):
    """What a model has besides, if it makes words of their n-grams."""

    def subword_vectors(self, vocabulary: Vocabulary) -> SubwordVectors | None:
        """Return vectors of words, seen or not; None in a process that has only columns of them."""


@runtime_checkable
class DeviceModel(Protocol):
    """What a model has besides, if it trains on blocks that are on its device."""

    device: Any
    """A ``torch.device``, of which this module does not know."""

    def upload(self, block: Any) -> Any:
        """Copy a block of the source to the device: what comes back is what ``train`` takes."""

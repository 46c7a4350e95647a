"""What the training loop asks of what it trains on, text or counts: to come in pieces, in another order each epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, TypeVar

BlockT_co = TypeVar("BlockT_co", covariant=True)


class Piece(Protocol):
    """What one process trains on between two merges."""

    @property
    def size(self) -> int:
        """Return the number of its tokens, or of its cells."""


class Source(Protocol[BlockT_co]):
    """A table that is trained on, in pieces. Each is read when its turn comes: the table need not fit in memory."""

    unit: str
    """What sizes count: ``words`` or ``cells``."""

    @property
    def size(self) -> int:
        """Return the number of tokens or cells in all pieces: those of one epoch."""

    def check(self, world_size: int) -> None:
        """Refuse what so many processes could not train on.

        Raises:
            EmbtrainError: if there is nothing to train on, or too little to share.
        """

    def order(self, *, epoch: int, seed: int) -> Sequence[Piece]:
        """Return the pieces as this epoch takes them, the same on every rank.

        Of each ``world_size`` pieces that follow one another, rank r trains on the r-th.
        """

    def blocks(self, pieces: Sequence[Any]) -> Iterator[BlockT_co]:
        """Read pieces one after the other, as the model takes them."""

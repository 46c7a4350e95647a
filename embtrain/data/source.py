"""What the training loop asks of what it trains on, text or counts: to come in pieces, in another order each epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

BlockT_co = TypeVar("BlockT_co", covariant=True)
BlockT = TypeVar("BlockT")


class Piece(Protocol):
    """A part of the table: what is read at once, or one process's share of it."""

    @property
    def size(self) -> int:
        """Return the number of its tokens, or of its cells."""


PieceT_co = TypeVar("PieceT_co", bound=Piece, covariant=True)


@dataclass(frozen=True)
class Round(Generic[PieceT_co]):
    """What all processes train on between two merges."""

    shares: Sequence[PieceT_co]
    """Rank r trains on the r-th; in the last round of an epoch some may have none."""
    num_pieces: int
    """Pieces of the epoch that are done with it. A position counts these, so that it is one for any number of
    processes."""


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
        """Return the pieces as this epoch takes them, the same on every rank and for every number of processes."""

    def rounds(self, pieces: Sequence[Any], world_size: int) -> Sequence[Round[Any]]:
        """Deal out what is left of an epoch's order to the processes, the same on every rank."""

    def blocks(self, shares: Sequence[Any]) -> Iterator[BlockT_co]:
        """Read this process's shares one after the other, as the model takes them."""


@runtime_checkable
class Divisible(Protocol[BlockT]):
    """A source whose blocks can be cut, so that processes merge in the middle of a block too."""

    def cut(self, block: BlockT, parts: int) -> Sequence[BlockT]:
        """Cut a block into so many parts of about the same size, in order; some may be empty."""

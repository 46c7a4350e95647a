"""How fastText lays a model out in a file, as its ``FastText::saveModel`` does; all numbers little-endian.

1. magic number and version, int32 each; models of 2016 begin at 2;
2. the arguments of the training, :class:`Arguments`;
3. the dictionary: numbers of entries, words and labels, int32; of tokens, and of buckets that pruning has left or -1,
   int64 (no such number in 2016); of each entry its bytes, a zero, its count (int64) and whether it is a label (int8);
   of each bucket left its number and row, int32;
4. a byte that tells whether the input matrix is quantised (none in 2016), and the matrix: a row a word, then a row a
   bucket;
5. the same for the output matrix: a row a word, or a row a label.

A matrix is its rows and columns (int64) and their float32 numbers; :func:`embtrain.formats.fasttext.reading.read` has
the form of a quantised one.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import NamedTuple

MAGIC = 793712314
VERSION = 12

# Of this version, supervised models have no n-grams, whatever their arguments say.
OLDEST_VERSION = 11

SIGNATURE = Struct("<ii")
ARGUMENTS = Struct("<12id")
DICTIONARY = Struct("<iiiqq")
DICTIONARY_OF_2016 = Struct("<iiiq")
ENTRY = Struct("<qb")
SHAPE = Struct("<qq")


class Loss(IntEnum):
    """What was trained on."""

    HIERARCHICAL_SOFTMAX = 1
    NEGATIVE_SAMPLING = 2
    SOFTMAX = 3
    ONE_VERSUS_ALL = 4


class Kind(IntEnum):
    """What was predicted from what."""

    CBOW = 1
    SKIPGRAM = 2
    SUPERVISED = 3


class Arguments(NamedTuple):
    """The arguments of a training, in the order of the file; the defaults are fastText's."""

    dim: int
    window: int = 5
    epochs: int = 5
    min_count: int = 1
    num_negatives: int = 5
    word_ngrams: int = 1
    loss: int = Loss.NEGATIVE_SAMPLING
    kind: int = Kind.SKIPGRAM
    buckets: int = 0
    min_n: int = 0
    max_n: int = 0
    update_rate: int = 100
    subsample_threshold: float = 1e-4

    @property
    def are_plausible(self) -> bool:
        """Tell whether a training can have had these."""
        return (
            0 < self.dim < 2**20
            and self.loss in set(Loss)
            and self.kind in set(Kind)
            and self.buckets >= 0
            and self.min_n >= 0
            and self.max_n <= MAX_NGRAM
        )


MAX_NGRAM = 1000
"""No n-gram is longer, in characters: what says otherwise is damaged."""


def is_model(start: bytes) -> bool:
    """Tell whether the first bytes of a file are those of a model."""
    if len(start) < ARGUMENTS.size:
        return False
    magic, _ = SIGNATURE.unpack_from(start)
    old = Arguments(*ARGUMENTS.unpack_from(start))
    return bool(magic == MAGIC or (old.are_plausible and 0 < old.subsample_threshold < 1))

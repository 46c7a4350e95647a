"""What skip-gram and CBOW predict a word against, on CPU threads: sampled negatives, or the paths of a tree.

Each objective keeps the output matrix that it needs and calls the kernel that trains it.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from embtrain.config import CbowSettings, FastTextSettings, SgnsSettings
from embtrain.data.vocabulary import Vocabulary
from embtrain.errors import CorpusError
from embtrain.kernels.cbow import train_cbow
from embtrain.kernels.hierarchical_softmax import train_cbow_on_paths, train_skipgram_on_paths
from embtrain.kernels.huffman import build_huffman_tree
from embtrain.kernels.sampling import fill_alias_table
from embtrain.kernels.scratch import PathScratch, Scratch, aligned_rows
from embtrain.kernels.skipgram import train_skipgram


class Span(NamedTuple):
    """Sequences that one call of a kernel trains on."""

    ids: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    """Sequence i is ids[offsets[i]:offsets[i + 1]]."""
    keep_threshold: npt.NDArray[np.uint32]
    """An occurrence is kept if 32 random bits are at most this. Shape ``(V,)``."""
    learning_rate: np.float32
    seed: np.uint64


class Objective(Protocol):
    """The output side of a model."""

    output_rows: npt.NDArray[np.float32]
    """Changed in place. Shape ``(N, S)``, S the dimension rounded up to 16."""
    occurrence: npt.NDArray[np.float64]
    """How often a token of the corpus is kept, and is predicted by this row. Shape ``(N,)``."""

    def allocate(self, longest: int) -> Any:
        """Make the memory of one thread for sequences of up to ``longest`` tokens."""

    def run(self, input_rows: npt.NDArray[np.float32], span: Span, scratch: Any) -> tuple[int, float]:
        """Train on a span, in place; return the predictions made and their loss in nats."""


class NegativeSampling:
    """A word against sampled negatives (Mikolov et al., 2013b, eq. 4).

    Args:
        settings: skip-gram or CBOW.
        vocabulary: its probabilities decide on the negatives.
        occurrence: how often a token of the corpus is a word, and is kept. Shape ``(V,)``.
    """

    def __init__(
        self,
        settings: SgnsSettings | CbowSettings | FastTextSettings,
        vocabulary: Vocabulary,
        occurrence: npt.NDArray[np.float64],
    ) -> None:
        self._settings = settings
        self._alias = alias_table(vocabulary)
        self.output_rows = aligned_rows(len(vocabulary), settings.dim)
        self.occurrence = occurrence

    def allocate(self, longest: int) -> Scratch:
        """Make the memory of one thread; see :class:`Objective`."""
        settings = self._settings
        return Scratch.allocate(
            dim=settings.dim, window=settings.window, num_negatives=settings.num_negatives, longest=longest
        )

    def run(self, input_rows: npt.NDArray[np.float32], span: Span, scratch: Scratch) -> tuple[int, float]:
        """Train on a span; see :class:`Objective`."""
        arguments = self.arguments(input_rows, span, scratch)
        if isinstance(self._settings, CbowSettings):
            return train_cbow(*arguments, self._settings.gradient == "corrected")  # type: ignore[no-any-return]
        return train_skipgram(*arguments)  # type: ignore[no-any-return]

    def arguments(self, input_rows: npt.NDArray[np.float32], span: Span, scratch: Any) -> tuple[Any, ...]:
        """Return what every kernel that samples negatives takes, in its order."""
        settings = self._settings
        return (
            input_rows,
            self.output_rows,
            span.ids,
            span.offsets,
            span.keep_threshold,
            self._alias,
            settings.window,
            settings.dynamic_window,
            settings.num_negatives,
            span.learning_rate,
            span.seed,
            scratch,
        )


class HierarchicalSoftmax:
    """A word by the decisions on its path through Huffman's tree (Morin and Bengio, 2005; Rong, 2014, section 3.1).

    The tree is that of the words' counts before subsampling, as in word2vec.c and MLlib. The output rows are
    those of its V - 1 inner nodes.

    Args:
        settings: skip-gram or CBOW.
        vocabulary: its counts decide on the tree.
        occurrence: how often a token of the corpus is a word, and is kept. Shape ``(V,)``.

    Raises:
        CorpusError: if there are not two words.
    """

    def __init__(
        self, settings: SgnsSettings | CbowSettings, vocabulary: Vocabulary, occurrence: npt.NDArray[np.float64]
    ) -> None:
        require_two_words(vocabulary, settings.objective)
        self._settings = settings
        self._tree = build_huffman_tree(vocabulary.counts)
        self.output_rows = aligned_rows(self._tree.num_nodes, settings.dim)
        self.occurrence = self._tree.node_weights(occurrence)

    def allocate(self, longest: int) -> PathScratch:
        """Make the memory of one thread; see :class:`Objective`."""
        settings = self._settings
        return PathScratch.allocate(
            dim=settings.dim, window=settings.window, longest_path=self._tree.longest, longest=longest
        )

    def run(self, input_rows: npt.NDArray[np.float32], span: Span, scratch: PathScratch) -> tuple[int, float]:
        """Train on a span; see :class:`Objective`."""
        settings = self._settings
        arguments = (
            input_rows,
            self.output_rows,
            span.ids,
            span.offsets,
            span.keep_threshold,
            self._tree,
            settings.window,
            settings.dynamic_window,
            span.learning_rate,
            span.seed,
            scratch,
        )
        if isinstance(settings, CbowSettings):
            return train_cbow_on_paths(*arguments, settings.gradient == "corrected")  # type: ignore[no-any-return]
        return train_skipgram_on_paths(*arguments)  # type: ignore[no-any-return]


def alias_table(vocabulary: Vocabulary) -> npt.NDArray[np.uint64]:
    """Return what negatives are drawn by; see :func:`embtrain.kernels.sampling.fill_alias_table`. Shape ``(V,)``."""
    alias = np.empty(len(vocabulary), np.uint64)
    fill_alias_table(vocabulary.negative_probability.copy(), alias)
    return alias


def require_two_words(vocabulary: Vocabulary, objective: str) -> None:
    """Refuse a vocabulary with nothing to predict: the only word has probability 1.

    Raises:
        CorpusError: if there are not two words.
    """
    if len(vocabulary) < 2:  # noqa: PLR2004 - see above
        raise CorpusError(
            f"the vocabulary has {len(vocabulary)} words, but model.objective {objective} predicts one of two "
            "or more; lower vocabulary.min_count, or give more text"
        )

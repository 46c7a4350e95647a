"""Models whose vectors are split among processes by column (Ordentlich et al., 2016, arXiv 1606.08495).

All processes go through the same text with the same random numbers. For a batch of windows each computes the scalar
products over its own columns; they are added up, once a batch; then each moves its own columns. Scores go over the
wire, rows never do, and the result is that of one process, but for the order in which numbers are added up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from embtrain.columns import Columns
from embtrain.config import CbowSettings, FastTextSettings, SampledModel
from embtrain.data.sequences import Block
from embtrain.data.vocabulary import Vocabulary
from embtrain.kernels.column_layout import TILE, Drawn, Products, lay_cbow, lay_skipgram
from embtrain.kernels.column_products import MOST_RATE
from embtrain.kernels.column_words import MOST_SUBWORD_RATE, BatchWords
from embtrain.models.column_model import ColumnModel
from embtrain.models.hogwild import SPAN_TOKENS, keep_threshold, span_seed
from embtrain.models.objectives import alias_table
from embtrain.models.protocol import Tally
from embtrain.models.threads import cut_into_spans, in_order

FEWEST_WINDOWS, MOST_WINDOWS = 16, 1024
"""Windows that are scored together. Each batch costs the time in which a message goes round; but the more windows,
the older the scores by which they move."""

MOST_SUBWORD_WINDOWS = 128
"""The same for FastText: its n-grams are of many words, and in a batch of more windows many steps are of old scores."""

WORDS_PER_WINDOW = 64
"""Words that the vocabulary has for each window of a batch, between those bounds."""


class Batch(NamedTuple):
    """Products that are scored together."""

    groups: tuple[int, int]
    """The first of its groups, and the one after the last."""
    words: npt.NDArray[np.int32]
    """For FastText: the ids of the words that its products name by their number. Else empty."""


@dataclass(frozen=True)
class LaidOut:
    """A span of text as the products that it asks for."""

    products: Products
    num_batches: int
    items: int
    """Tokens of the text."""
    predictions: int
    words: BatchWords | None = None
    """For FastText."""

    def batches(self) -> Iterator[Batch]:
        """Yield the batches of the span, one after the other."""
        groups = pairwise(self.products.batches[: self.num_batches + 1].tolist())
        if self.words is None:
            nothing = np.empty(0, np.int32)
            yield from (Batch(of_batch, nothing) for of_batch in groups)
            return
        ids, ends = self.words
        for of_batch, (first, last) in zip(groups, pairwise(ends.tolist()), strict=True):
            yield Batch(of_batch, ids[first:last])


class Compute(Protocol):
    """The columns of one process, where they are computed with: on CPU threads, or on a GPU."""

    def run(self, span: LaidOut, rate: float) -> float:
        """Go through a span batch by batch: score, add up over the processes, and move; return the loss in nats.

        All processes must call it together, with the same products.

        Args:
            span: the products.
            rate: the learning rate; with 0 nothing moves.
        """

    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the columns of both matrices, ``input`` and ``output``. Shapes ``(R, C)`` and ``(V, C)``."""

    def load_state(self, state: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Copy them in."""


class ColumnWord2Vec(ColumnModel[Block, Compute]):
    """The columns of one process, and the text that all of them go through.

    Args:
        settings: skip-gram or CBOW, with negative sampling; or FastText.
        vocabulary: its counts and probabilities decide on subsampling and negatives.
        columns: those of this process.
        compute: what holds them.
        lays_out_ahead: whether a thread beside those of ``compute`` lays out the next span meanwhile.
    """

    def __init__(
        self,
        settings: SampledModel,
        vocabulary: Vocabulary,
        columns: Columns,
        compute: Compute,
        *,
        lays_out_ahead: bool,
    ) -> None:
        super().__init__(columns, compute, lays_out_ahead=lays_out_ahead)
        self._settings = settings
        self._keep_threshold = keep_threshold(vocabulary)
        self._alias = alias_table(vocabulary)
        self._batch_windows = batch_windows(settings, len(vocabulary))

    def train(self, block: Block, learning_rate: Callable[[int], float], seed: int) -> Iterator[Tally]:
        """Train on a block; see :class:`embtrain.models.protocol.Model`. All processes must, on the same one."""
        spans = cut_into_spans(block.offsets, SPAN_TOKENS)

        def lay_out(span: tuple[int, int]) -> LaidOut:
            return self._lay_out(block, span, seed)

        with closing(in_order(self._layout, lay_out, spans, ahead=self._ahead)) as laid_out:
            for (first, _), span in zip(spans, laid_out, strict=True):
                loss = self._compute.run(span, learning_rate(int(block.offsets[first])))
                yield Tally(span.items, span.predictions, loss)

    def vectors(self) -> npt.NDArray[np.float32]:
        """Return the input vectors, ``(V, dim)``, in the first process, and in each other no more than its columns.

        All processes must call it together.
        """
        return self._columns.whole(self._compute.state()["input"])

    def _lay_out(self, block: Block, span: tuple[int, int], seed: int) -> LaidOut:
        """Lay out what a span asks for."""
        first, last = span
        offsets, settings = block.offsets[first : last + 1], self._settings
        if has_means(settings):
            room, lay_out = Products.for_cbow, lay_cbow
        else:
            room, lay_out = Products.for_skipgram, lay_skipgram
        lengths = np.diff(offsets)
        products = room(lengths, window=settings.window, num_negatives=settings.num_negatives)
        num_batches, predictions = lay_out(
            block.ids,
            offsets,
            self._keep_threshold,
            self._alias,
            settings.window,
            settings.dynamic_window,
            settings.num_negatives,
            not isinstance(settings, FastTextSettings),
            span_seed(seed, first),
            self._batch_windows,
            Drawn.allocate(int(lengths.max(initial=0)), settings.num_negatives),
            products,
        )
        return LaidOut(products, int(num_batches), int(offsets[-1] - offsets[0]), int(predictions))


def has_means(settings: SampledModel) -> bool:
    """Tell whether it is the mean of a window's contexts that predicts its center, as in CBOW."""
    return isinstance(settings, CbowSettings) or (
        isinstance(settings, FastTextSettings) and settings.architecture == "cbow"
    )


def most_rate(settings: SampledModel) -> float:
    """Return what the learning rates of a row's products in one batch add up to at most."""
    return MOST_SUBWORD_RATE if isinstance(settings, FastTextSettings) else MOST_RATE


def batch_windows(settings: SampledModel, vocab_size: int) -> int:
    """Return how many windows are scored together, before any row that they need has changed."""
    most = MOST_SUBWORD_WINDOWS if isinstance(settings, FastTextSettings) else MOST_WINDOWS
    return max(FEWEST_WINDOWS, min(most, vocab_size // WORDS_PER_WINDOW))


def most_batch_words(settings: SampledModel, vocab_size: int) -> int:
    """Return how many different words a batch reaches at most: at its ends, those around its windows too."""
    return min(vocab_size, batch_windows(settings, vocab_size) + TILE + 2 * settings.window)

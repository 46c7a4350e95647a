"""Which scalar products a span of text asks for, in batches: the same in every process that holds columns.

Where each process holds some columns of every vector, no process can finish a scalar product alone. So windows,
negatives and labels of a whole span are laid out first; then the products of a batch are taken together, and
added up over the processes (Ordentlich et al., 2016, arXiv 1606.08495).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from embtrain.kernels.compilation import inlined, kernel
from embtrain.kernels.lanes import LANES
from embtrain.kernels.sampling import below, draw_negatives, next_random, start_random, subsample
from embtrain.kernels.windows import fresh_negatives

TILE = 4
"""Neighbouring windows of skip-gram that have their negatives in common.

A word near several of their centers then takes part in one product with each negative, which counts as often as
that: 20 products a window rather than 36, with window 5 and 5 negatives, at no cost in quality
(docs/decisions/0013). FastText's have their own: it does not bear steps that old.
"""


class Products(NamedTuple):
    """Scalar products of a span, in groups that have one row in common. A tuple, since numba takes those at no cost.

    Group g has the products ``offsets[g]`` to ``offsets[g + 1] - 1``, and batch b the groups ``batches[b]`` to
    ``batches[b + 1] - 1``.
    """

    common: npt.NDArray[np.int32]
    """For skip-gram: the id whose output row a group has in common. CBOW's have a mean of rows instead."""
    contexts: npt.NDArray[np.int32]
    """For CBOW: the ids whose input rows are averaged, group after group."""
    context_offsets: npt.NDArray[np.int64]
    """For CBOW: group g has the contexts from ``context_offsets[g]`` to ``context_offsets[g + 1] - 1``."""
    offsets: npt.NDArray[np.int64]
    partners: npt.NDArray[np.int32]
    """Of each product: the id of its other row, an input row for skip-gram and an output row for CBOW."""
    labels: npt.NDArray[np.float32]
    """Of each product: 1 for the true target; -m for noise that serves m windows."""
    batches: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float32]
    """For CBOW: 1 / the number of rows that a group's mean is of."""

    @classmethod
    def for_skipgram(cls, lengths: npt.NDArray[np.int64], *, window: int, num_negatives: int) -> Products:
        """Make room for sequences of so many tokens each, whose windows may have negatives of their own."""
        true = int((lengths * np.minimum(2 * window, lengths)).sum())
        noise = int((lengths * np.minimum(2 * window + 1, lengths)).sum()) * num_negatives
        groups = int(lengths.sum()) * (1 + num_negatives)
        return cls._allocate(groups, true + noise, contexts=0)

    @classmethod
    def for_cbow(cls, lengths: npt.NDArray[np.int64], *, window: int, num_negatives: int) -> Products:
        """Make room for sequences of so many tokens each."""
        groups = int(lengths.sum())
        contexts = int((lengths * np.minimum(2 * window, lengths)).sum())
        return cls._allocate(groups, groups * (1 + num_negatives), contexts)

    @classmethod
    def _allocate(cls, groups: int, products: int, contexts: int) -> Products:
        # Memory that is not written to is not taken from the system.
        return cls(
            common=np.empty(groups, np.int32),
            contexts=np.empty(contexts, np.int32),
            context_offsets=np.zeros(groups + 1, np.int64),
            offsets=np.zeros(groups + 1, np.int64),
            partners=np.empty(products, np.int32),
            labels=np.empty(products + LANES, np.float32),
            batches=np.zeros(groups + 2, np.int64),
            shares=np.empty(groups, np.float32),
        )


class Drawn(NamedTuple):
    """What is drawn for one sequence."""

    kept: npt.NDArray[np.int32]
    """The ids that subsampling keeps."""
    negatives: npt.NDArray[np.int32]
    widths: npt.NDArray[np.int64]
    """How many positions each window reaches to each side."""

    @classmethod
    def allocate(cls, longest: int, num_negatives: int) -> Drawn:
        """Make room for a sequence of so many tokens."""
        negatives = np.empty((longest + 1) * num_negatives, np.int32)
        return cls(np.empty(longest, np.int32), negatives, np.empty(longest, np.int64))


@inlined
def draw_widths(widths, count, window, dynamic_window, state):
    """Write the widths of a sequence's windows; return the next random state."""
    for position in range(count):
        widths[position] = window
        if dynamic_window:
            state = next_random(state)
            widths[position] = np.int64(below(state, window)) + 1
    return state


@inlined
def reach(widths, position, count):
    """Return the first position of a window, and the one after its last."""
    return max(0, position - widths[position]), min(count, position + widths[position] + 1)


@inlined
def lay_true(kept, count, first, last, widths, group, end, products):
    """Lay out the contexts of some windows with their centers; return the next group and product."""
    common, _, _, ends, partners, labels, _, _ = products
    for position in range(first, last):
        common[group] = kept[position]
        low, high = reach(widths, position, count)
        for other in range(low, high):
            if other != position:
                partners[end] = kept[other]
                labels[end] = 1
                end += 1
        group += 1
        ends[group] = end
    return group, end


@inlined
def lay_noise(kept, count, first, last, widths, negatives, serves, group, end, products):
    """Lay out what the windows of a tile reach with each of its negatives; return the next group and product.

    ``serves``: scratch of two rows for as many numbers as a tile reaches.
    """
    common, _, _, ends, partners, labels, _, _ = products
    low, high = first, last
    for position in range(first, last):
        begin, stop = reach(widths, position, count)
        low, high = min(low, begin), max(high, stop)
    by_all, by_some = serves
    by_all[: high - low] = 0
    for position in range(first, last):
        begin, stop = reach(widths, position, count)
        for other in range(begin, stop):
            by_all[other - low] += np.float32(other != position)
    for negative in negatives:
        common[group] = negative
        by_some[: high - low] = by_all[: high - low]
        for position in range(first, last):
            if kept[position] == negative:
                begin, stop = reach(widths, position, count)
                for other in range(begin, stop):
                    by_some[other - low] -= np.float32(other != position)
        for i in range(high - low):
            if by_some[i] > 0:
                partners[end], labels[end] = kept[low + i], -by_some[i]
                end += 1
        group += 1
        ends[group] = end
    return group, end


@inlined
def close_batch(batches, batch, group, in_batch, batch_windows):
    """Let a batch end before ``group`` if it has so many windows; return the next batch, and the windows in it."""
    if in_batch < batch_windows:
        return batch, in_batch
    batches[batch + 1] = group
    return batch + 1, 0


@kernel
def lay_skipgram(
    ids,
    offsets,
    keep_threshold,
    alias,
    window,
    dynamic_window,
    num_negatives,
    shared_negatives,
    seed,
    batch_windows,
    drawn,
    products,
):
    """Lay out skip-gram's products; return the numbers of batches and of (center, context) pairs.

    The contexts of a window are multiplied with the center's output row. The words that a tile of windows reaches are
    multiplied with the output rows of the tile's negatives; what is one label -m there would be m labels 0, were each
    window for itself. A negative counts for no window whose center it is.

    Args:
        ids, offsets, keep_threshold, alias, window, dynamic_window, num_negatives, seed: as for
            :func:`embtrain.kernels.skipgram.train_skipgram`.
        shared_negatives: whether the windows of a tile have the same ones; or each its own.
        batch_windows: with so many windows or more, a tile is the last of its batch.
        drawn: scratch for the longest sequence, from :meth:`Drawn.allocate`.
        products: written.
    """
    kept, negatives, widths = drawn
    tile = TILE if shared_negatives else 1
    serves = np.empty((2, 2 * window + tile), np.float32)
    group, end, batch, in_batch, pairs = 0, 0, 0, 0, 0
    state = start_random(seed)
    for sequence in range(offsets.size - 1):
        count, state = subsample(ids, offsets[sequence], offsets[sequence + 1], keep_threshold, state, kept)
        if count < 2:  # noqa: PLR2004 - no context
            continue
        state = draw_negatives(negatives, -(-count // tile) * num_negatives, alias, state)
        state = draw_widths(widths, count, window, dynamic_window, state)
        for first in range(0, count, tile):
            last = min(count, first + tile)
            before = end
            group, end = lay_true(kept, count, first, last, widths, group, end, products)
            pairs += end - before
            of_tile = negatives[first // tile * num_negatives : (first // tile + 1) * num_negatives]
            group, end = lay_noise(kept, count, first, last, widths, of_tile, serves, group, end, products)
            in_batch += last - first
            batch, in_batch = close_batch(products.batches, batch, group, in_batch, batch_windows)
    batch, _ = close_batch(products.batches, batch, group, in_batch, 1)
    return batch, pairs


@kernel
def lay_cbow(
    ids,
    offsets,
    keep_threshold,
    alias,
    window,
    dynamic_window,
    num_negatives,
    shared_negatives,
    seed,
    batch_windows,
    drawn,
    products,
):
    """Lay out CBOW's products; return the numbers of batches and of centers with a context.

    The mean of a window's context rows is multiplied with the output rows of the center and of its negatives, half
    of which, with ``shared_negatives``, serve the window before as well. A negative that is the center is left out.

    Args:
        ids, offsets, keep_threshold, alias, window, dynamic_window, num_negatives, shared_negatives, seed,
            batch_windows, drawn, products: as for :func:`lay_skipgram`.
    """
    kept, negatives, widths = drawn
    _, contexts, context_ends, ends, partners, labels, batches, shares = products
    fresh = fresh_negatives(num_negatives) if shared_negatives else num_negatives
    group, end, context_end, batch, in_batch = 0, 0, 0, 0, 0
    state = start_random(seed)
    for sequence in range(offsets.size - 1):
        count, state = subsample(ids, offsets[sequence], offsets[sequence + 1], keep_threshold, state, kept)
        if count < 2:  # noqa: PLR2004 - no context
            continue
        state = draw_negatives(negatives, count * fresh + num_negatives, alias, state)
        state = draw_widths(widths, count, window, dynamic_window, state)
        for position in range(count):
            low, high = reach(widths, position, count)
            for other in range(low, high):
                if other != position:
                    contexts[context_end] = kept[other]
                    context_end += 1
            shares[group] = np.float32(1) / np.float32(context_end - context_ends[group])
            partners[end], labels[end] = kept[position], 1
            end += 1
            for k in range(position * fresh, position * fresh + num_negatives):
                if negatives[k] != kept[position]:
                    partners[end], labels[end] = negatives[k], -1
                    end += 1
            group += 1
            ends[group], context_ends[group] = end, context_end
            batch, in_batch = close_batch(batches, batch, group, in_batch + 1, batch_windows)
    batch, _ = close_batch(batches, batch, group, in_batch, 1)
    return batch, group

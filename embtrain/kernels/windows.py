"""What skip-gram and CBOW do alike at each position: draw, prefetch, lay out a window and its targets.

Rows are named by their addresses, ``row_bytes`` apart. The rows of the next position are asked for
while the present one is computed: without that, half of the time would go in waiting for memory.
"""

from __future__ import annotations

import numpy as np

from embtrain.kernels.compilation import inlined
from embtrain.kernels.prediction import SLOTS, TARGETS
from embtrain.kernels.rows import prefetch
from embtrain.kernels.sampling import below, next_random

ABSENT = np.float32(-1)
"""The rate of a slot without target."""


@inlined
def fresh_negatives(num_negatives):
    """Return how many negatives of a window are its own: the others serve the window before as well.

    Their rows are so fetched once for both. Window p of a sequence has those from ``p * fresh`` on.
    """
    return (num_negatives + 1) // 2


@inlined
def prefetch_first_contexts(kept, count, window, rows_in, row_bytes, chunks):
    """Ask for the context rows of the first window of a sequence."""
    for position in range(min(count, window)):
        prefetch(rows_in + np.int64(kept[position]) * row_bytes, chunks)


@inlined
def prefetch_next_context(kept, count, position, window, rows_in, row_bytes, chunks):
    """Ask for the context row that the window at ``position + 1`` needs and that at ``position`` did not."""
    if position + window < count:
        prefetch(rows_in + np.int64(kept[position + window]) * row_bytes, chunks)


@inlined
def prefetch_first_targets(drawn, num_negatives, rows_out, row_bytes, chunks):
    """Ask for the negatives' rows of the first window of a sequence."""
    for k in range(num_negatives):
        prefetch(rows_out + np.int64(drawn[k]) * row_bytes, chunks)


@inlined
def prefetch_next_targets(kept, count, position, drawn, num_negatives, fresh, rows_out, row_bytes, chunks):
    """Ask for the target rows that the window at ``position + 1`` needs and that at ``position`` did not."""
    if position + 1 < count:
        prefetch(rows_out + np.int64(kept[position + 1]) * row_bytes, chunks)
        for k in range(position * fresh + num_negatives, (position + 1) * fresh + num_negatives):
            prefetch(rows_out + np.int64(drawn[k]) * row_bytes, chunks)


@inlined
def prefetch_first(kept, count, window, drawn, num_negatives, rows_in, rows_out, row_bytes, chunks):
    """Ask for the rows of the first window of a sequence."""
    prefetch_first_contexts(kept, count, window, rows_in, row_bytes, chunks)
    prefetch_first_targets(drawn, num_negatives, rows_out, row_bytes, chunks)


@inlined
def prefetch_next(kept, count, position, window, drawn, num_negatives, fresh, rows_in, rows_out, row_bytes, chunks):
    """Ask for the rows that the window at ``position + 1`` needs and that at ``position`` did not."""
    prefetch_next_targets(kept, count, position, drawn, num_negatives, fresh, rows_out, row_bytes, chunks)
    prefetch_next_context(kept, count, position, window, rows_in, row_bytes, chunks)


@inlined
def lay_window(kept, count, position, window, dynamic_window, state, rows_in, row_bytes, contexts):
    """Write the addresses of the context rows around ``position``; return how many, and the random state."""
    width = window
    if dynamic_window:
        state = next_random(state)
        width = np.int64(below(state, window)) + 1
    num_contexts = 0
    for other in range(max(0, position - width), min(count, position + width + 1)):
        if other != position:
            contexts[num_contexts] = rows_in + np.int64(kept[other]) * row_bytes
            num_contexts += 1
    return num_contexts, state


@inlined
def lay_rates(rates, num_negatives, rate):
    """Write the rates of all slots: ``rates[0]`` for windows without a negative that is the center."""
    for block in range(rates.shape[1]):
        for k in range(TARGETS):
            its_rate = rate if block * TARGETS + k <= num_negatives else ABSENT
            rates[0, block, k] = its_rate
            rates[0, block, SLOTS + k] = its_rate


@inlined
def lay_targets(kept, position, drawn, num_negatives, fresh, rows_out, row_bytes, spare, targets, rates):
    """Write the addresses of a window's targets: the center, then its negatives in ``drawn``.

    A negative that is the center is replaced by the row ``spare``, without a rate. Slots left over hold that
    row from the start.

    Returns:
        Which of the two sets of rates holds. That of most windows is not written again: reading a vector
        right after writing its numbers one by one would stall.
    """
    special = np.int64(0)
    center = np.int64(kept[position])
    first = position * fresh
    targets[0] = rows_out + center * row_bytes
    for k in range(num_negatives):
        targets[k + 1] = rows_out + np.int64(drawn[first + k]) * row_bytes
        special |= np.int64(drawn[first + k] == center)
    if special:
        rates[1] = rates[0]
        for k in range(num_negatives):
            if drawn[first + k] == center:
                block, slot = (k + 1) // TARGETS, (k + 1) % TARGETS
                targets[k + 1] = spare
                rates[1, block, slot] = ABSENT
                rates[1, block, SLOTS + slot] = ABSENT
    return special


@inlined
def six_targets(targets, block):
    """Return the addresses of a block of targets as a tuple, which keeps them in registers."""
    t = block * TARGETS
    return (targets[t], targets[t + 1], targets[t + 2], targets[t + 3], targets[t + 4], targets[t + 5])

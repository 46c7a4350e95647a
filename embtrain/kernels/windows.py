"""What skip-gram and CBOW do alike at each position: draw, prefetch, lay out a window and its targets.

Rows are named by their addresses, ``row_bytes`` apart. The rows of the next position are asked for
while the present one is computed: without that, half of the time would go in waiting for memory.
"""

from __future__ import annotations

import numpy as np

from embtrain.kernels.compilation import inlined
from embtrain.kernels.prediction import SLOTS, TARGETS
from embtrain.kernels.rows import prefetch
from embtrain.kernels.sampling import below, draw_negative, next_random

ABSENT = np.float32(-1)
"""The rate of a slot without target."""


@inlined
def draw_ahead(drawn, num_negatives, state, alias_threshold, alias_id, rows_out, row_bytes, chunks):
    """Move the negatives drawn before to ``drawn[0]``, draw the next into ``drawn[1]``; return the random state."""
    for k in range(num_negatives):
        drawn[0, k] = drawn[1, k]
        state = next_random(state)
        drawn[1, k] = draw_negative(state, alias_threshold, alias_id)
        prefetch(rows_out + np.int64(drawn[1, k]) * row_bytes, chunks)
    return state


@inlined
def prefetch_first(kept, count, window, rows_in, row_bytes, chunks):
    """Ask for the rows of the first window of a sequence."""
    for position in range(min(count, window)):
        prefetch(rows_in + np.int64(kept[position]) * row_bytes, chunks)


@inlined
def prefetch_next(kept, count, position, window, rows_in, rows_out, row_bytes, chunks):
    """Ask for the rows that the window at ``position + 1`` needs and that at ``position`` did not."""
    if position + 1 < count:
        prefetch(rows_out + np.int64(kept[position + 1]) * row_bytes, chunks)
    if position + window < count:
        prefetch(rows_in + np.int64(kept[position + window]) * row_bytes, chunks)


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
def lay_targets(center, drawn, num_negatives, rate, rows_out, row_bytes, spare, targets, rates):
    """Write the addresses and rates of a window's targets: the center, then the negatives in ``drawn[0]``.

    Slots left over, and those of negatives that are the center, get the row ``spare`` and the rate ABSENT.
    """
    for block in range(targets.size // TARGETS):
        for k in range(TARGETS):
            number = block * TARGETS + k
            address, its_rate = spare, ABSENT
            if number == 0:
                address, its_rate = rows_out + center * row_bytes, rate
            elif number <= num_negatives and drawn[0, number - 1] != center:
                address, its_rate = rows_out + np.int64(drawn[0, number - 1]) * row_bytes, rate
            targets[number] = address
            rates[block, k] = its_rate
            rates[block, SLOTS + k] = its_rate


@inlined
def six_targets(targets, block):
    """Return the addresses of a block of targets as a tuple, which keeps them in registers."""
    t = block * TARGETS
    return (targets[t], targets[t + 1], targets[t + 2], targets[t + 3], targets[t + 4], targets[t + 5])

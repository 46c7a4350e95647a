"""The windows of a span as ids, for models that do not compute in a kernel."""

from __future__ import annotations

import numpy as np

from embtrain.kernels.compilation import kernel
from embtrain.kernels.sampling import below, next_random, start_random, subsample


@kernel
def draw_windows(ids, offsets, keep_threshold, window, dynamic_window, seed, kept, centers, contexts, ends):
    """Write the windows of a span that have a context; return how many.

    Those are the windows that the kernels of the hierarchical softmax draw with the same seed.

    Args:
        ids, offsets, keep_threshold, window, dynamic_window, seed: as for
            :func:`embtrain.kernels.skipgram.train_skipgram`.
        kept: scratch, as long as the longest sequence. int32.
        centers: written, one per window. Shape ``(T,)``, int64, T the number of tokens.
        contexts: written, those of one window after those of the last. Shape ``(2 * T * window,)``, int64.
        ends: written, where each window's contexts end. Shape ``(T,)``, int64.
    """
    num_windows = num_contexts = 0
    state = start_random(seed)
    for sequence in range(offsets.size - 1):
        count, state = subsample(ids, offsets[sequence], offsets[sequence + 1], keep_threshold, state, kept)
        for position in range(count):
            width = window
            if dynamic_window:
                state = next_random(state)
                width = np.int64(below(state, window)) + 1
            if count == 1:
                continue
            for other in range(max(0, position - width), min(count, position + width + 1)):
                if other != position:
                    contexts[num_contexts] = kept[other]
                    num_contexts += 1
            centers[num_windows] = kept[position]
            ends[num_windows] = num_contexts
            num_windows += 1
    return num_windows

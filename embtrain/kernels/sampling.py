"""Random numbers, subsampling and negatives, as the kernels draw them.

Everything drawn follows from the seed that a kernel is called with, and kernels are called with one seed per
span of text. So what is drawn depends on the place in the corpus alone: not on the number of threads, and not
on whether a run was interrupted.
"""

from __future__ import annotations

import numpy as np
from numba import uint32, uint64

from embtrain.kernels.compilation import inlined, kernel


@inlined
def start_random(seed):
    """Turn any 64-bit seed into a state for :func:`next_random` (Steele et al., 2014, SplitMix64's finaliser)."""
    z = uint64(seed) + uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> uint64(27))) * uint64(0x94D049BB133111EB)
    return (z ^ (z >> uint64(31))) | uint64(1)


@inlined
def next_random(state):
    """Return the state after ``state``: 64 random bits (Marsaglia, 2003, xorshift64)."""
    state ^= state << uint64(13)
    state ^= state >> uint64(7)
    state ^= state << uint64(17)
    return state


@inlined
def high_half(state):
    """Return the upper 32 of the 64 random bits."""
    return uint32(state >> uint64(32))


@inlined
def below(state, bound):
    """Return a number of 0..bound-1 from the lower 32 random bits (Lemire, 2019, without the correction)."""
    return ((state & uint64(0xFFFFFFFF)) * uint64(bound)) >> uint64(32)


@inlined
def draw_negative(state, alias_threshold, alias_id):
    """Draw an id from an alias table with one random number (Walker, 1977)."""
    slot = np.int64(below(state, alias_id.size))
    other = np.int64(alias_id[slot])
    # Arithmetic instead of a branch, which would be guessed wrong half of the time.
    return other + (slot - other) * np.int64(high_half(state) < alias_threshold[slot])


@inlined
def subsample(ids, first, last, keep_threshold, state, kept):
    """Copy the ids that subsampling keeps to ``kept``; return how many, and the next random state."""
    count = np.int64(0)
    for position in range(first, last):
        token_id = ids[position]
        state = next_random(state)
        kept[count] = token_id  # without a branch, as above; overwritten by the next where it is not kept
        count += np.int64(high_half(state) <= keep_threshold[token_id])
    return count, state


@kernel
def fill_alias_table(probability, alias_threshold, alias_id):
    """Prepare an alias table: a draw costs the same whatever the size of the vocabulary (Vose, 1991).

    Slot i stands for 1/V of the probability: id i takes the share alias_threshold[i] / 2**32 of it, and
    alias_id[i] the rest.

    Args:
        probability: of each id, sums to 1. Shape ``(V,)``, float64; overwritten.
        alias_threshold: written. Shape ``(V,)``, uint32.
        alias_id: written. Shape ``(V,)``, int32.
    """
    size = probability.size
    small = np.empty(size, np.int32)
    large = np.empty(size, np.int32)
    num_small = num_large = 0
    for i in range(size):
        probability[i] *= size
        alias_id[i] = i
        alias_threshold[i] = uint32(0xFFFFFFFF)
        if probability[i] < 1.0:
            small[num_small] = i
            num_small += 1
        else:
            large[num_large] = i
            num_large += 1
    while num_small > 0 and num_large > 0:
        num_small -= 1
        poor, rich = small[num_small], large[num_large - 1]
        alias_threshold[poor] = uint32(probability[poor] * 4294967296.0)
        alias_id[poor] = rich
        probability[rich] -= 1.0 - probability[poor]
        if probability[rich] < 1.0:
            num_large -= 1
            small[num_small] = rich
            num_small += 1

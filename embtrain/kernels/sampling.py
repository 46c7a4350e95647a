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
def draw_negative(state, alias):
    """Draw an id from an alias table with one random number (Walker, 1977)."""
    slot = np.int64(below(state, alias.size))
    entry = alias[slot]
    other = np.int64(entry & uint64(0xFFFFFFFF))
    # Arithmetic instead of a branch, which would be guessed wrong half of the time.
    return other + (slot - other) * np.int64(high_half(state) < high_half(entry))


@inlined
def draw_negatives(drawn, count, alias, state):
    """Write ``count`` negatives to ``drawn``; return the next random state.

    All of a sequence at once: the table is read at random, and only draws that follow one another
    closely can wait for memory together.
    """
    for k in range(count):
        state = next_random(state)
        drawn[k] = draw_negative(state, alias)
    return state


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
def fill_alias_table(probability, alias):
    """Prepare an alias table: a draw costs the same whatever the size of the vocabulary (Vose, 1991).

    Slot i stands for 1/V of the probability: id i takes the share alias[i] >> 32 of it (of 2**32), and the id in the
    lower half of alias[i] the rest. One number holds both, so that a draw fetches one cache line.

    Args:
        probability: of each id, sums to 1. Shape ``(V,)``, float64; overwritten.
        alias: written. Shape ``(V,)``, uint64.
    """
    size = probability.size
    small = np.empty(size, np.int32)
    large = np.empty(size, np.int32)
    num_small = num_large = 0
    for i in range(size):
        probability[i] *= size
        alias[i] = uint64(0xFFFFFFFF) << uint64(32) | uint64(i)
        if probability[i] < 1.0:
            small[num_small] = i
            num_small += 1
        else:
            large[num_large] = i
            num_large += 1
    while num_small > 0 and num_large > 0:
        num_small -= 1
        poor, rich = small[num_small], large[num_large - 1]
        alias[poor] = uint64(probability[poor] * 4294967296.0) << uint64(32) | uint64(rich)
        probability[rich] -= 1.0 - probability[poor]
        if probability[rich] < 1.0:
            num_large -= 1
            small[num_small] = rich
            num_small += 1

"""Random numbers on a GPU: subsampling, widths of windows and negatives, each by where it is drawn for.

Philox (Salmon et al., 2011) turns a key and a counter into random bits without any state. The key is the seed of a
block; the counter is a position in it, and a lane for each purpose. So what is drawn does not depend on how
many programs train, or in which order they come to it.
"""

from __future__ import annotations

import triton
import triton.language as tl

FOR_SUBSAMPLING = tl.constexpr(0)
FOR_WIDTHS = tl.constexpr(1)
FOR_NEGATIVES = tl.constexpr(2)
"""The counter's third word: what a number is drawn for."""


@triton.jit
def random_bits(seed, position, purpose: tl.constexpr):
    """Return two blocks of 32 random bits for each position, of int64, as uint32."""
    low, high = position.to(tl.uint32), (position >> 32).to(tl.uint32)
    first, second, _, _ = tl.philox(seed, low, high, low * 0 + purpose, low * 0)
    return first, second


@triton.jit
def below(bits, bound):
    """Return numbers of 0..bound-1 from random bits (Lemire, 2019, without the correction)."""
    return tl.umulhi(bits, bits * 0 + bound.to(tl.uint32)).to(tl.int32)


@triton.jit
def draw_negatives(alias, vocab_size, seed, position):
    """Draw an id for each position from an alias table (Walker, 1977).

    Args:
        alias: from :func:`embtrain.kernels.sampling.fill_alias_table`, as int64. Shape ``(V,)``.
        position: of what is drawn, int64.
    """
    slot_bits, share_bits = random_bits(seed, position, FOR_NEGATIVES)
    slot = below(slot_bits, vocab_size)
    entry = tl.load(alias + slot)
    return tl.where(share_bits < (entry >> 32).to(tl.uint32), slot, entry.to(tl.int32))


@triton.jit
def draw_widths(seed, position, WINDOW: tl.constexpr, DYNAMIC: tl.constexpr):
    """Return the width of the window of each position: drawn from 1..WINDOW, or WINDOW."""
    width = tl.full(position.shape, WINDOW, tl.int32)
    if DYNAMIC:
        bits, _ = random_bits(seed, position, FOR_WIDTHS)
        width = below(bits, width) + 1
    return width


@triton.jit(do_not_specialize=("seed", "count"))
def mark_kept(ids, keep_threshold, seed: tl.uint64, count: tl.int64, kept, BLOCK: tl.constexpr):
    """Write 1 for each occurrence that subsampling keeps, and 0 for the others.

    Args:
        ids: of the block. Shape ``(T,)``, int32.
        keep_threshold: an occurrence is kept if 32 random bits are at most this. Shape ``(V,)``, int64.
        seed: of the block.
        count: T.
        kept: written. Shape ``(T,)``, int32.
        BLOCK: positions of a program.
    """
    position = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = position < count
    token_id = tl.load(ids + position, mask=inside, other=0)
    bits, _ = random_bits(seed, position, FOR_SUBSAMPLING)
    threshold = tl.load(keep_threshold + token_id, mask=inside, other=0)
    tl.store(kept + position, (bits.to(tl.int64) <= threshold).to(tl.int32), mask=inside)

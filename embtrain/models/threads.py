"""Spans of a block, trained on by several threads at once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from embtrain.kernels.padding import LANES
from embtrain.models.protocol import Tally

DoneT = TypeVar("DoneT")
ItemT = TypeVar("ItemT")


def in_threads(
    pool: ThreadPoolExecutor, work: Callable[[int, int], Tally], spans: Sequence[tuple[int, int]]
) -> Iterator[Tally]:
    """Call ``work(first, last)`` for every span, in the threads of ``pool``; yield the tallies in order.

    On Ctrl-C, or an error in a span, the rest is left, and no thread is at work any more when this returns.
    """
    pending = [pool.submit(work, first, last) for first, last in spans]
    try:
        for future in pending:
            yield future.result()
    finally:
        for future in pending:
            future.cancel()
        wait(pending)


def on_each(pool: ThreadPoolExecutor, work: Callable[[ItemT], None], items: Sequence[ItemT]) -> None:
    """Call ``work(item)`` for every item, each in a thread of ``pool``; one alone here, which wakes no thread."""
    if len(items) == 1:
        work(items[0])
    else:
        list(pool.map(work, items))


def in_order(
    thread: ThreadPoolExecutor,
    work: Callable[[tuple[int, int]], DoneT],
    spans: Sequence[tuple[int, int]],
    *,
    ahead: bool,
) -> Generator[DoneT, None, None]:
    """Yield what ``work`` makes of each span, in order; if ``ahead``, a thread is at the next one meanwhile.

    Once this has ended, or is closed, no thread is at work any more: who may stop early closes it.
    """
    if not ahead:
        yield from map(work, spans)
        return
    begun = (thread.submit(work, span) for span in spans)
    coming = next(begun, None)
    try:
        while coming is not None:
            done, coming = coming.result(), next(begun, None)
            yield done
    finally:
        if coming is not None:
            coming.cancel()
            wait([coming])


def cut_into_spans(offsets: npt.NDArray[np.int64], items: int) -> list[tuple[int, int]]:
    """Cut sequences, or other runs, into spans of about ``items`` tokens or cells; span (a, b) is runs a to b - 1.

    All are about as long, so that no thread has a short one while others wait.
    """
    if offsets.size < 2:  # noqa: PLR2004 - no run
        return []
    spans = max(1, round(offsets[-1] / items))
    edges = np.searchsorted(offsets, offsets[-1] * np.arange(spans) // spans)
    edges = np.unique(np.append(edges, offsets.size - 1))
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def share_out(row_numbers: int, threads: int) -> list[tuple[int, int]]:
    """Share the numbers of rows out to at most so many threads, in chunks of 16: their first chunk, and how many."""
    chunks = row_numbers // LANES
    threads = min(threads, chunks)
    edges = [chunks * thread // threads for thread in range(threads + 1)]
    return [(first, last - first) for first, last in pairwise(edges)]

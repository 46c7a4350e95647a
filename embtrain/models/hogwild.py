"""Input rows and an objective that CPU threads train in place, sharing the rows without locks (Niu et al., 2011)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt

from embtrain.data.sequences import Block
from embtrain.data.vocabulary import Vocabulary
from embtrain.distributed import Group
from embtrain.kernels.scratch import aligned_rows
from embtrain.models.objectives import Objective, Span
from embtrain.models.protocol import Merger, Tally, alone
from embtrain.models.threads import cut_into_spans, in_threads

SPAN_TOKENS = 25_000
"""Tokens of one call of a kernel: some milliseconds, so that Ctrl-C, the progress bar and the learning rate follow."""


class Hogwild:
    """What skip-gram, CBOW and FastText do alike in training.

    Args:
        input_rows: at the start. Shape ``(R, S)``, S the dimension rounded up to 16.
        row_occurrence: how often a token of the corpus is kept, and each input row changes. Shape ``(R,)``.
        objective: has the output rows and the kernel.
        vocabulary: decides on subsampling.
        threads: that train at the same time.
    """

    def __init__(
        self,
        input_rows: npt.NDArray[np.float32],
        row_occurrence: npt.NDArray[np.float64],
        objective: Objective,
        vocabulary: Vocabulary,
        *,
        threads: int,
    ) -> None:
        self.input_rows = input_rows
        self._row_occurrence = row_occurrence
        self._objective = objective
        self._keep_threshold = keep_threshold(vocabulary)
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="train")
        self._scratch: list[Any] = []
        self._longest = -1

    def train(self, block: Block, learning_rate: Callable[[int], float], seed: int) -> Iterator[Tally]:
        """Train on a block; see :class:`embtrain.models.protocol.Model`.

        A span's random numbers and learning rate follow from its place, so they are the same for any number
        of threads; with one thread, so are the vectors.
        """
        spans = cut_into_spans(block.offsets, SPAN_TOKENS)
        free = self._free_scratch(block.longest)

        def train_span(first: int, last: int) -> Tally:
            scratch = free.get()
            try:
                rate = learning_rate(int(block.offsets[first]))
                return self._run(block, (first, last), rate, seed, scratch)
            finally:
                free.put(scratch)

        yield from in_threads(self._pool, train_span, spans)

    def loss(self, block: Block, seed: int) -> Tally:
        """Measure the loss on a block, with windows, subsampling and negatives drawn as in training."""
        whole = (0, block.offsets.size - 1)
        return self._run(block, whole, 0.0, seed, self._free_scratch(block.longest).get())

    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return both matrices, shape ``(N, S)`` with S the dimension rounded up to 16."""
        return {"input": self.input_rows, "output": self._objective.output_rows}

    def load_state(self, state: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Copy both matrices in."""
        for name, rows in self.state().items():
            rows[:] = state[name]

    def merger(self, group: Group, words: float) -> Merger:
        """Return what merges the copies of both matrices; see :class:`embtrain.replicas.Replicas`."""
        if group.world_size == 1:
            return alone
        import torch  # noqa: PLC0415 - one process trains without

        from embtrain.replicas import Replicas  # noqa: PLC0415 - loads torch

        # torch only copies here; threads of its own would wait, at work, for more beside those that train.
        torch.set_num_threads(1)
        input_rows, output_rows = map(torch.from_numpy, self.state().values())
        of_output = self._objective.occurrence
        return Replicas(group, [(input_rows, self._row_occurrence), (output_rows, of_output)], words)

    def _run(self, block: Block, span: tuple[int, int], rate: float, seed: int, scratch: Any) -> Tally:
        first, last = span
        offsets = block.offsets[first : last + 1]
        own = Span(block.ids, offsets, self._keep_threshold, np.float32(rate), span_seed(seed, first))
        pairs, loss = self._objective.run(self.input_rows, own, scratch)
        return Tally(int(offsets[-1] - offsets[0]), pairs, loss)

    def _free_scratch(self, longest: int) -> SimpleQueue[Any]:
        """Return a queue with the memory of each thread, large enough for sequences of ``longest`` tokens."""
        if self._longest < longest:
            self._scratch = [self._objective.allocate(longest) for _ in range(self._threads)]
            self._longest = longest
        free: SimpleQueue[Any] = SimpleQueue()
        for scratch in self._scratch:
            free.put(scratch)
        return free


def starting_rows(size: int, dim: int, seed: int, columns: slice = slice(None)) -> npt.NDArray[np.float32]:
    """Return input rows uniform in (-1, 1) / dim, as in gensim 4, or some of their columns. Shape ``(size, S)``."""
    num_columns = len(range(dim)[columns])
    rows = aligned_rows(size, num_columns)
    random = np.random.default_rng(seed)
    for row in rows:  # row by row: no second copy of the matrix, nor columns that are not asked for
        row[:num_columns] = (random.random(dim, np.float32)[columns] * 2 - 1) / dim
    return rows


def keep_threshold(vocabulary: Vocabulary) -> npt.NDArray[np.uint32]:
    """Return what 32 random bits must not exceed for an occurrence of each word to be kept. Shape ``(V,)``."""
    return np.minimum(vocabulary.keep_probability * 2**32, 2**32 - 1).astype(np.uint32)


def occurrence(vocabulary: Vocabulary) -> npt.NDArray[np.float64]:
    """Return how often a token of the corpus is each word, and is kept. Shape ``(V,)``."""
    shares: npt.NDArray[np.float64] = vocabulary.counts * vocabulary.keep_probability / max(1, vocabulary.counts.sum())
    return shares


def span_seed(seed: int, first: int) -> np.uint64:
    """Return the seed of the span that begins with sequence ``first`` of a block."""
    return np.uint64((seed * 0x9E3779B97F4A7C15 + first) % 2**64)

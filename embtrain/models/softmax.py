"""Skip-gram and CBOW with the full softmax: every prediction against every word, by torch, on the CPU or a GPU.

The textbook model (Rong, 2014, sections 1.2 and 2), which negative sampling and the hierarchical softmax stand in
for. A prediction costs a score for each of the V words, so it is for small vocabularies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from embtrain.config import CbowSettings, SgnsSettings
from embtrain.data.sequences import Block
from embtrain.data.vocabulary import Vocabulary
from embtrain.distributed import Group
from embtrain.errors import ConfigError
from embtrain.kernels.window_ids import draw_windows
from embtrain.models.hogwild import keep_threshold, occurrence, span_seed, starting_rows
from embtrain.models.objectives import require_two_words
from embtrain.models.protocol import Merger, Tally, alone
from embtrain.models.threads import cut_into_spans

MAX_VOCABULARY = 50_000
"""Words beyond which a step would take longer than anyone waits: at dim 100 that is 30 MFLOP a window."""

SPAN_TOKENS = 2_000
"""Tokens between two tallies."""

WINDOWS_PER_STEP = (16, 64)
"""At least and at most. See :func:`windows_per_step`."""


NUMBERS_TO_SHARE = 1 << 18
"""Numbers in a matrix from which threads share a step: the steps of smaller ones are over before all have met."""


class Predictions(NamedTuple):
    """Predictions of one step, those from the same words together: R rows of scores.

    Row r is the mean of the input rows of its words, and predicts each of its targets.
    """

    words: torch.Tensor
    """Shape ``(W,)``, int64; the row of scores that each belongs to is in ``row_of_word``."""
    row_of_word: torch.Tensor
    share: torch.Tensor
    """1 / the number of the row's words. Shape ``(W, 1)``."""
    targets: torch.Tensor
    """Shape ``(P,)``, int64, likewise with ``row_of_target``."""
    row_of_target: torch.Tensor
    targets_per_row: torch.Tensor
    """Shape ``(R, 1)``, float32."""


class Softmax:
    """Both matrices as tensors, trained by steps of gradient descent.

    They start as those of :class:`embtrain.models.word2vec.Word2Vec`, so that the first prediction is uniform.

    Args:
        settings: skip-gram or CBOW.
        vocabulary: its counts decide on subsampling.
        threads: of torch, if it computes on the CPU.
        seed: of the starting vectors.
        device: ``cpu`` or ``cuda``.

    Raises:
        ConfigError: if the vocabulary is larger than ``MAX_VOCABULARY``.
        CorpusError: if it has fewer than two words.
    """

    def __init__(
        self, settings: SgnsSettings | CbowSettings, vocabulary: Vocabulary, *, threads: int, seed: int, device: str
    ) -> None:
        size, dim = len(vocabulary), settings.dim
        require_two_words(vocabulary, settings.objective)
        if size > MAX_VOCABULARY:
            raise ConfigError(
                f"model.objective softmax scores every word at every prediction: expected at most {MAX_VOCABULARY:,} "
                f"words, found {size:,}; lower vocabulary.max_size, or take hierarchical_softmax, which is exact too"
            )
        torch.set_num_threads(threads if size * dim >= NUMBERS_TO_SHARE else 1)
        self._settings = settings
        self._device = torch.device(device)
        self._input = torch.from_numpy(starting_rows(size, dim, seed)[:, :dim].copy()).to(self._device)
        self._output = torch.zeros(size, dim, device=self._device)
        self._keep_threshold = keep_threshold(vocabulary)
        self._occurrence = occurrence(vocabulary)

    def train(self, block: Block, learning_rate: Callable[[int], float], seed: int) -> Iterator[Tally]:
        """Train on a block; see :class:`embtrain.models.protocol.Model`."""
        for first, last in cut_into_spans(block.offsets, SPAN_TOKENS):
            yield self._run(block, (first, last), learning_rate(int(block.offsets[first])), seed)

    def loss(self, block: Block, seed: int) -> Tally:
        """Measure the loss on a block, with windows and subsampling drawn as in training."""
        spans = cut_into_spans(block.offsets, SPAN_TOKENS)
        return sum((self._run(block, span, 0.0, seed) for span in spans), Tally())

    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return both matrices, shape ``(V, dim)``; on a GPU, copies."""
        return {"input": self._input.cpu().numpy(), "output": self._output.cpu().numpy()}

    def load_state(self, state: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Copy both matrices in."""
        self._input.copy_(torch.from_numpy(state["input"]))
        self._output.copy_(torch.from_numpy(state["output"]))

    def merger(self, group: Group, words: float) -> Merger:
        """Return what merges the copies of both matrices; see :class:`embtrain.replicas.Replicas`."""
        if group.world_size == 1:
            return alone
        from embtrain.replicas import Replicas  # noqa: PLC0415 - loads numba

        return Replicas(group, [(rows, self._occurrence) for rows in (self._input, self._output)], words)

    def vectors(self) -> npt.NDArray[np.float32]:
        """Return the input vectors, a copy. Shape ``(V, dim)``."""
        return self._input.cpu().numpy().copy()

    def _run(self, block: Block, span: tuple[int, int], rate: float, seed: int) -> Tally:
        first, last = span
        offsets = block.offsets[first : last + 1]
        centers, contexts, ends = self._draw(block.ids, offsets, span_seed(seed, first))
        per_step = windows_per_step(len(self._occurrence))
        make = of_cbow if isinstance(self._settings, CbowSettings) else of_skipgram
        pairs, loss = 0, torch.zeros((), dtype=torch.float64, device=self._device)
        for start in range(0, centers.size, per_step):
            stop = min(start + per_step, centers.size)
            before = int(ends[start - 1]) if start else 0
            made = make(centers[start:stop], contexts[before : ends[stop - 1]], ends[start:stop] - before)
            predictions = Predictions(*(tensor.to(self._device) for tensor in made))
            loss += descend(self._input, self._output, predictions, rate)
            pairs += len(predictions.targets)
        return Tally(int(offsets[-1] - offsets[0]), pairs, float(loss))

    def _draw(
        self, ids: npt.NDArray[np.int32], offsets: npt.NDArray[np.int64], seed: np.uint64
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the centers of the windows of a span, their contexts end to end, and where each window's end."""
        tokens, settings = int(offsets[-1] - offsets[0]), self._settings
        kept = np.empty(int(np.diff(offsets).max(initial=0)), np.int32)
        centers, ends = np.empty(tokens, np.int64), np.empty(tokens, np.int64)
        contexts = np.empty(2 * tokens * settings.window, np.int64)
        drawing = (ids, offsets, self._keep_threshold, settings.window, settings.dynamic_window, seed, kept)
        count = draw_windows(*drawing, centers, contexts, ends)
        return centers[:count], contexts[: ends[count - 1] if count else 0], ends[:count]


def windows_per_step(vocab_size: int) -> int:
    """Return the number of windows whose gradients are summed in a step.

    A sum of 64 learns as much a window as one of 8, at a fraction of the time, where few of the windows are of the
    same words. Among a handful of words 64 steps in one direction are too far: CBOW diverges at its own rate.
    """
    least, most = WINDOWS_PER_STEP
    return min(most, max(least, vocab_size // 32))


def of_skipgram(
    centers: npt.NDArray[np.int64], contexts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]
) -> Predictions:
    """Return the predictions of windows: each context word predicts the center, as in word2vec.c.

    Scores of a word that stands in several windows are computed once.
    """
    words, row_of_target = np.unique(contexts, return_inverse=True)
    return Predictions(
        words=torch.from_numpy(words),
        row_of_word=torch.arange(len(words)),
        share=torch.ones(len(words), 1),
        targets=torch.from_numpy(np.repeat(centers, np.diff(ends, prepend=0))),
        row_of_target=torch.from_numpy(row_of_target),
        targets_per_row=torch.from_numpy(np.bincount(row_of_target).astype(np.float32)[:, None]),
    )


def of_cbow(
    centers: npt.NDArray[np.int64], contexts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]
) -> Predictions:
    """Return the predictions of windows: the mean of the context words predicts the center."""
    lengths = np.diff(ends, prepend=0)
    row_of_word = np.repeat(np.arange(len(centers)), lengths)
    return Predictions(
        words=torch.from_numpy(contexts),
        row_of_word=torch.from_numpy(row_of_word),
        share=torch.from_numpy((1 / lengths)[row_of_word, None].astype(np.float32)),
        targets=torch.from_numpy(centers),
        row_of_target=torch.arange(len(centers)),
        targets_per_row=torch.ones(len(centers), 1),
    )


def descend(
    input_rows: torch.Tensor, output_rows: torch.Tensor, predictions: Predictions, learning_rate: float
) -> torch.Tensor:
    """Take one step down the summed cross-entropy of predictions, in place; return that sum before the step.

    With h a row, y its softmax and t its targets counted, e = n y - t is the error, of which the output rows get e h
    and the input rows their share of e times the output rows (Rong, 2014, eqs. 8 to 16, for n targets at once).

    Args:
        input_rows: changed, unless the learning rate is 0. Shape ``(V, D)``.
        output_rows: likewise.
        predictions: of at least one target.
        learning_rate: of the sum over all targets, not of their mean.

    Returns:
        Loss in nats, summed in float64. Shape ``()``.
    """
    size, p = len(predictions.targets_per_row), predictions
    h = input_rows.new_zeros(size, input_rows.shape[1]).index_add_(0, p.row_of_word, input_rows[p.words] * p.share)
    scores = h @ output_rows.T
    normaliser = scores.logsumexp(dim=1, keepdim=True)
    loss = (normaliser.double() * p.targets_per_row).sum() - scores[p.row_of_target, p.targets].double().sum()
    if learning_rate:
        error = scores.sub_(normaliser).exp_().mul_(p.targets_per_row)
        error.index_put_((p.row_of_target, p.targets), error.new_tensor(-1.0), accumulate=True)
        step = error @ output_rows
        output_rows.addmm_(error.T, h, alpha=-learning_rate)
        input_rows.index_add_(0, p.words, step[p.row_of_word] * p.share, alpha=-learning_rate)
    return loss

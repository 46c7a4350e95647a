"""ELMo's biLM in training: truncated backpropagation through streams of text, and Adagrad, on the CPU or a GPU.

Shapes: D = 2 directions, T steps, B rows of this process, R rows of all, U distinct words of a batch, P numbers a word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from embtrain.config import ElmoSettings
from embtrain.data.streams import BEGIN, END, NO_TARGET, NUM_MARKS, Streams
from embtrain.distributed import Group
from embtrain.models.elmo.adagrad import Adagrad, take_gradients
from embtrain.models.elmo.bilm import BiLM
from embtrain.models.elmo.candidates import CandidateSampler
from embtrain.models.elmo.lstm import LstmState
from embtrain.models.elmo.softmax import Softmax, sampled_loss
from embtrain.models.protocol import CARRIED, Merger, Tally, alone
from embtrain.text.characters import BEGIN_SENTENCE, END_SENTENCE, sentence_mark, word_lengths

BATCHES_PER_TALLY = 8
"""A GPU is not waited for more often than this."""

WORDS_AT_ONCE = 1024
"""Words that are encoded together where no gradient is wanted."""


@dataclass(frozen=True)
class BilmTally(Tally):
    """The exact loss of both directions, and of each."""

    forward: float = 0.0
    """Mean loss of the words in their order, in nats."""
    backward: float = 0.0
    """Of the words from the end."""

    @property
    def measures(self) -> dict[str, float]:
        """Return the perplexities: exp of the mean loss."""
        losses = {"": self.loss_per_pair, "_forward": self.forward, "_backward": self.backward}
        return {f"perplexity{direction}": float(np.exp(loss)) for direction, loss in losses.items()}


class Elmo:
    """A biLM, its softmax, and what they carry from batch to batch.

    Args:
        settings: sizes, and how to train.
        characters: of each word by id, ``(V, 50)``, int32.
        group: the processes; the gradients of all are summed up for each step.
        threads: of torch, if it computes on the CPU.
        seed: of the starting weights.
        device: ``cpu`` or ``cuda``.
    """

    def __init__(
        self,
        settings: ElmoSettings,
        characters: npt.NDArray[np.int32],
        *,
        group: Group,
        threads: int,
        seed: int,
        device: str,
    ) -> None:
        torch.set_num_threads(threads)
        self._settings, self._group, self._device = settings, group, torch.device(device)
        self._rows = settings.batch_size * group.world_size
        marks = {END: END_SENTENCE, BEGIN: BEGIN_SENTENCE}
        spelled = np.concatenate([[sentence_mark(marks[mark]) for mark in range(NUM_MARKS)], characters])
        self._word_lengths = word_lengths(spelled)
        self._characters = self._copied(spelled)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.bilm = BiLM(settings).to(self._device)
            self._softmax = Softmax(len(spelled), settings.projection_dim, shared=settings.share_softmax)
        self._softmax.to(self._device)
        self._sampler = CandidateSampler(len(spelled), settings.num_samples)
        self._optimizer = Adagrad(self.bilm.parameters(), self._softmax)
        self._states = self.bilm.initial_states(self._rows)
        bfloat16 = settings.precision == "bfloat16" or (settings.precision == "auto" and device == "cuda")
        self._precision = torch.bfloat16 if bfloat16 else torch.float32

    def train(self, block: Streams, learning_rate: Callable[[int], float], seed: int) -> Iterator[Tally]:
        """Train on this process's rows; see :class:`embtrain.models.protocol.Model`."""
        words_before = np.append(0, np.cumsum((block.targets[0] >= NUM_MARKS).sum(axis=1)))
        random = torch.Generator(self._device).manual_seed(seed % 2**63)
        per_tally = BATCHES_PER_TALLY * self._settings.unroll_steps
        for begin in range(0, block.steps, per_tally):
            end = min(begin + per_tally, block.steps)
            loss = torch.zeros((), device=self._device)
            for first in range(begin, end, self._settings.unroll_steps):
                # Of the words of all rows, so that every process steps at the same rate.
                before = words_before[first] // self._group.world_size
                loss += self._step(block, first, learning_rate(int(before)), random)
            targets = block.targets[:, begin:end, block.own]
            yield Tally(_num_words(targets[0]), int((targets != NO_TARGET).sum()), float(loss))

    @torch.no_grad()
    def loss(self, block: Streams, seed: int) -> Tally:
        """Measure the exact loss on all rows of a block, against all words, in float32."""
        del seed  # nothing is drawn
        rows = block.inputs.shape[2]
        states = self.bilm.initial_states(rows)
        losses = torch.zeros(2, dtype=torch.float64, device=self._device)
        for first in range(0, block.steps, self._settings.unroll_steps):
            steps = slice(first, first + self._settings.unroll_steps)
            layers, states = self.bilm(self._read(block.inputs[:, steps]), states)
            targets = self._copied(block.targets[:, steps].astype(np.int64))
            losses += self._softmax.exact_loss(layers[-1].flatten(1, 2), targets.flatten(1))
        pairs = int((block.targets[0] != NO_TARGET).sum())
        forward, backward = (losses / max(1, pairs)).tolist()
        return BilmTally(_num_words(block.targets[0]), 2 * pairs, float(losses.sum()), forward, backward)

    def merger(self, group: Group, words: float) -> Merger:
        """Return what gives every process the state of all rows; weights are the same everywhere at each step."""
        del words  # of no matter
        own = slice(group.rank * self._settings.batch_size, (group.rank + 1) * self._settings.batch_size)

        def merge(items: Sequence[float], *, settle: bool) -> None:  # noqa: ARG001 - all of it, always
            for number, state in enumerate(self._states):
                whole = LstmState(*(torch.zeros_like(part) for part in state))
                for part, mine in zip(whole, state, strict=True):
                    part[:, own] = mine[:, own]
                group.sum_tensors(whole)
                self._states[number] = whole

        return alone if group.world_size == 1 else merge

    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return weights, Adagrad's sums, and the LSTMs' states; on a GPU, copies."""
        return {name: tensor.detach().cpu().numpy() for name, tensor in self._tensors().items()}

    def load_state(self, state: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Copy all of it in. Where the LSTMs read more rows now, the further ones begin from nothing."""
        with torch.no_grad():
            for name, tensor in self._tensors().items():
                saved = torch.from_numpy(state[name])
                if name.startswith(CARRIED):
                    rows = min(saved.shape[1], self._rows)
                    tensor[:, :rows], tensor[:, rows:] = saved[:, :rows], 0
                else:
                    tensor.copy_(saved)

    @torch.no_grad()
    def vectors(self) -> npt.NDArray[np.float32]:
        """Return what words have without context. Shape ``(V, P)``."""
        words = np.arange(NUM_MARKS, len(self._characters), dtype=np.int32)
        some = [words[first : first + WORDS_AT_ONCE] for first in range(0, len(words), WORDS_AT_ONCE)]
        return torch.cat([self._encode(ids) for ids in some]).cpu().numpy()

    def _tensors(self) -> dict[str, Tensor]:
        weights = {**dict(self.bilm.named_parameters()), **dict(self._softmax.named_parameters(prefix="softmax"))}
        sums = {f"{name}.sum": self._optimizer.sums[weight] for name, weight in weights.items()}
        carried = {
            f"{CARRIED}{layer}.{name}": tensor
            for layer, state in enumerate(self._states)
            for name, tensor in state._asdict().items()
        }
        return {**weights, **sums, **carried}

    def _step(self, block: Streams, first: int, rate: float, random: torch.Generator) -> Tensor:
        """Take a step down the gradient of one batch; return this process's summed loss before it."""
        steps = slice(first, first + self._settings.unroll_steps)
        targets = block.targets[:, steps]
        candidates = self._sampler.draw(targets, (block.seed, first))
        own = targets[:, :, block.own]
        places = np.where(own == NO_TARGET, NO_TARGET, candidates.place[own])
        ids = self._copied(candidates.rows)
        rows = self._softmax.rows(ids)
        with torch.autocast(self._device.type, self._precision, enabled=self._precision != torch.float32):
            hidden = self._read_on(block.inputs[:, steps, block.own], block.own, random)
            loss = sampled_loss(
                hidden.flatten(1, 2),
                self._copied(places).flatten(1),
                rows,
                candidates.size,
                self._copied(candidates.log_expected),
            )
        # Of the mean over rows and directions, summed over steps, as in bilm-tf: the learning rate belongs to that.
        torch.autograd.backward(loss / (2 * self._rows))
        gradients = take_gradients([*self.bilm.parameters(), *rows])
        self._group.sum_tensors(gradients)
        self._optimizer.step(gradients, ids, rate, self._settings.max_gradient_norm)
        return loss.detach()

    def _read_on(self, ids: npt.NDArray[np.int32], own: slice, random: torch.Generator) -> Tensor:
        """Run both directions on from where they are. Returns the top layer, ``(D, T, B, P)``."""
        keep = 1 - self._settings.dropout

        def dropout(numbers: Tensor) -> Tensor:
            if keep == 1:
                return numbers
            return numbers * torch.empty_like(numbers).bernoulli_(keep, generator=random).div_(keep)

        states = [LstmState(*(part[:, own] for part in state)) for state in self._states]
        layers, states = self.bilm(self._read(ids), states, dropout=dropout)
        for kept, new in zip(self._states, states, strict=True):
            kept.cell[:, own], kept.output[:, own] = new.cell, new.output
        return dropout(layers[-1])

    def _read(self, ids: npt.NDArray[np.int32]) -> Tensor:
        """Encode the words of a batch, each once. Returns shape ``(D, T, B, P)``."""
        words, places = np.unique(ids, return_inverse=True)
        return functional.embedding(self._copied(places.reshape(ids.shape)), self._encode(words))

    def _encode(self, ids: npt.NDArray[np.int32]) -> Tensor:
        """Encode words. Returns shape ``(U, P)``."""
        read = self.bilm.characters.characters_read(int(self._word_lengths[ids].max()))
        encoded: Tensor = self.bilm.characters(self._characters[self._copied(ids), :read])
        return encoded

    def _copied(self, array: npt.NDArray[Any]) -> Tensor:
        """Copy an array to the device, without waiting for what a GPU computes."""
        tensor = torch.from_numpy(array)
        return tensor if self._device.type == "cpu" else tensor.pin_memory().to(self._device, non_blocking=True)


def _num_words(targets: npt.NDArray[np.int32]) -> int:
    """Return how many of the targets are words rather than marks."""
    return int((targets >= NUM_MARKS).sum())

"""Vectors of words in their sentences, by a bidirectional language model: what ELMo offers (Peters et al., 2018).

=====================================  ==================================================
To have                                one writes
=====================================  ==================================================
all layers, token by token             ``c.layers([["a", "sentence"], ["another"]])``
one vector per token                   ``c.encode(sentences, pooling=None)``
one vector per sentence                ``c.encode(sentences)``
one vector per text                    ``c.encode_texts(["A text. It is taken apart."])``
words without context, as ``Vectors``  ``c.words``
=====================================  ==================================================

Any word has a vector, in any script: it is read as bytes, of which those after the 48th are not looked at. Sentences
do not depend on each other, whatever was encoded before. They are lists of tokens, such as the model was trained on:
``tokeniser`` takes texts apart as its corpus was.

Shapes: N sentences, L layers with that of the words, D = 2 directions, T steps, B rows, P numbers per direction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embtrain.errors import ConfigError, CorpusError, FormatError
from embtrain.models.elmo.bilm import DIRECTIONS, BiLM
from embtrain.models.elmo.lstm import LstmState
from embtrain.models.elmo.word_cache import WordCache
from embtrain.text import Tokeniser, take_apart
from embtrain.vectors import Floats, Vectors

Sentences = Sequence[Sequence[str]]

MARKS = ("<S>", "</S>")
"""The words that the model reads before and after each sentence."""

TOKENS_AT_ONCE = 1024
"""Rows times steps that go through the LSTMs together: 130 MB of gates per direction at the published size."""


class ContextualVectors:
    """A trained biLM, read-only.

    Args:
        bilm: its weights.
        vocabulary: the words that it was trained on, the most frequent first; may be unknown.
        counts: occurrences of each in the corpus, ``(V,)`` int64.
        tokeniser: takes texts apart as the corpus was; None where that is not known.
    """

    def __init__(
        self,
        bilm: BiLM,
        *,
        vocabulary: Sequence[str] = (),
        counts: NDArray[np.int64] | None = None,
        tokeniser: Tokeniser | None = None,
    ) -> None:
        self.bilm = bilm.eval().requires_grad_(requires_grad=False)
        self.vocabulary = list(vocabulary)
        self.counts = counts
        self.tokeniser = tokeniser
        self._word_cache = WordCache(bilm.characters)

    def __repr__(self) -> str:
        return f"ContextualVectors({self.num_layers} layers x {self.dim})"

    def to(self, device: str) -> ContextualVectors:
        """Compute on another device, such as ``cuda``, from now on; return itself."""
        self.bilm.to(device)
        self._word_cache = WordCache(self.bilm.characters)
        return self

    @property
    def dim(self) -> int:
        """Return the numbers per token and layer: P of the forward direction, then P of the backward one."""
        return DIRECTIONS * self.bilm.architecture.projection_dim

    @property
    def num_layers(self) -> int:
        """Return L: the layer of the words, and one of each LSTM."""
        return 1 + self.bilm.architecture.layers

    @cached_property
    def words(self) -> Vectors:
        """Return the vocabulary's words without context, ``(V, P)``: what word vectors are asked, this answers.

        Raises:
            FormatError: if the model came without a vocabulary.
        """
        if not self.vocabulary:
            raise FormatError(
                "this ELMo model came without a vocabulary, so there are no words to choose from; "
                "expected a model trained here, or vocabulary.parquet beside its weights"
            )
        return Vectors(self.vocabulary, self._word_cache.encode(self.vocabulary).cpu().numpy(), self.counts)

    def layers(self, sentences: Sentences) -> list[Floats]:
        """Return all layers of each sentence, ``(L, tokens, dim)`` float32, in the order of the sentences.

        The first layer, that of the words, has the same numbers twice. A sentence without a token has none.

        Raises:
            CorpusError: if a sentence is not a sequence of tokens.
        """
        sentences = _checked(sentences)
        found: list[Floats] = [np.zeros((self.num_layers, 0, self.dim), np.float32) for _ in sentences]
        for i, layers in self._by_sentence(sentences):
            found[i] = layers
        return found

    def encode(
        self,
        sentences: Sentences,
        pooling: Literal["mean"] | None = "mean",
        weights: Sequence[float] | None = None,
    ) -> Floats | list[Floats]:
        """Return the weighted sum of the layers, as the mean over each sentence or token by token.

        Args:
            sentences: lists of tokens.
            pooling: ``mean``, or None.
            weights: of each layer, ``(L,)``, such as those of a trained
                :class:`~embtrain.models.elmo.representation.Representation`. None: equal ones that sum to 1.

        Returns:
            ``(N, dim)``, zeros for a sentence without a token; with ``pooling=None`` a list of ``(tokens, dim)``.

        Raises:
            CorpusError: if a sentence is not a sequence of tokens.
            ConfigError: if the pooling is another, or there is not a weight for each layer.
        """
        if pooling not in {"mean", None}:
            raise ConfigError(f"expected pooling 'mean' or None, found {pooling!r}")
        sentences, shares = _checked(sentences), self._shares(weights)
        if pooling == "mean":
            return self._means([[sentence] for sentence in sentences], shares)
        found: list[Floats] = [np.zeros((0, self.dim), np.float32) for _ in sentences]
        for i, layers in self._by_sentence(sentences):
            found[i] = np.tensordot(shares, layers, axes=1)
        return found

    def encode_texts(self, texts: Sequence[str]) -> Floats:
        """Return the mean over all tokens of each text, ``(N, dim)``; zeros for one without a token."""
        return self._means(take_apart(texts, self.tokeniser), self._shares(None))

    def encode_tokens(self, texts: Sequence[str]) -> tuple[list[list[str]], list[Floats]]:
        """Take texts apart as the corpus was, and return the tokens of each with their vectors, ``(tokens, dim)``."""
        by_text = take_apart(texts, self.tokeniser)
        encoded = iter(self.encode([sentence for sentences in by_text for sentence in sentences], pooling=None))
        none = np.zeros((0, self.dim), np.float32)
        tokens = [[token for sentence in sentences for token in sentence] for sentences in by_text]
        return tokens, [np.concatenate([none, *(next(encoded) for _ in sentences)]) for sentences in by_text]

    @torch.inference_mode()
    def continued(
        self, sentences: Sentences, states: Sequence[LstmState] | None
    ) -> tuple[list[Floats], list[LstmState]]:
        """Run sentences as the rows of one batch, each from the state in which its row's last sentence has ended.

        So AllenNLP runs the published model. What comes out depends on all that the row has read.

        Args:
            sentences: B lists of tokens.
            states: of each LSTM layer, as returned for the batch before; None to begin.

        Returns:
            As :meth:`layers`, and the states at the ends of the sentences.

        Raises:
            CorpusError: if a sentence is not a sequence of tokens, there is none, or the states are of other rows.
        """
        marked = [[MARKS[0], *sentence, MARKS[1]] for sentence in _checked(sentences)]
        rows = states[0].cell.shape[1] if states else max(1, len(marked))
        if len(marked) != rows:
            raise CorpusError(f"expected a sentence for each of {rows} rows, found {len(marked)}")
        lengths = torch.tensor([len(sentence) for sentence in marked])
        words = self._both_ways(marked)
        layers, states = self._run(words, states or self.bilm.initial_states(len(marked)), lengths)
        forward, backward = layers.numpy()
        found = []
        for row, length in enumerate(lengths.tolist()):
            inner = slice(1, length - 1)
            halves = forward[:, :length, row], backward[:, length - 1 :: -1, row]
            found.append(np.concatenate([half[:, inner] for half in halves], axis=2))
        return found, states

    def _by_sentence(self, sentences: Sentences) -> Iterator[tuple[int, Floats]]:
        """Yield the place of each sentence that has a token, with its layers: a batch of them are held, not all."""
        for batch in _batches([len(sentence) for sentence in sentences]):
            of_batch, _ = self.continued([sentences[i] for i in batch], None)
            yield from zip(batch, of_batch, strict=True)

    def _means(self, texts: Sequence[Sentences], shares: Floats) -> Floats:
        """Return the mean over the tokens of all sentences of each text, ``(N, dim)``; of none, zeros."""
        text_of = [number for number, sentences in enumerate(texts) for _ in sentences]
        sums = np.zeros((len(texts), self.dim))
        for i, layers in self._by_sentence([sentence for sentences in texts for sentence in sentences]):
            sums[text_of[i]] += np.tensordot(shares, layers.sum(axis=1, dtype=np.float64), axes=1)
        counts = np.array([[sum(map(len, sentences))] for sentences in texts]).reshape(-1, 1)
        means: Floats = (sums / np.maximum(counts, 1)).astype(np.float32)
        return means

    def _shares(self, weights: Sequence[float] | None) -> Floats:
        """Return the weights of the layers, ``(L,)`` float32; of None, equal ones.

        Raises:
            ConfigError: if there is not one for each layer.
        """
        shares = np.full(self.num_layers, 1 / self.num_layers) if weights is None else np.asarray(weights)
        if shares.shape != (self.num_layers,):
            raise ConfigError(f"expected {self.num_layers} weights, one for each layer, found the shape {shares.shape}")
        return shares.astype(np.float32)

    def _both_ways(self, marked: Sentences) -> Tensor:
        """Encode words, and lay them out from each sentence's begin and from its end. Shape ``(D, T, B, P)``."""
        vectors = self._word_cache.encode([word for sentence in marked for word in sentence])
        laid_out = vectors.new_zeros(DIRECTIONS, max(map(len, marked)), len(marked), vectors.shape[1])
        first = 0
        for row, sentence in enumerate(marked):
            own = vectors[first : first + len(sentence)]
            laid_out[0, : len(sentence), row], laid_out[1, : len(sentence), row] = own, own.flip(0)
            first += len(sentence)
        return laid_out

    def _run(self, words: Tensor, states: Sequence[LstmState], lengths: Tensor) -> tuple[Tensor, list[LstmState]]:
        """Run the LSTMs some steps at a time, so that the gates of a long text take no more memory than a short one's.

        Returns:
            The layers, ``(D, L, T, B, P)``, on the CPU, and the state of each row at its length.
        """
        directions, num_steps, rows, dim = words.shape
        found = torch.empty(directions, self.num_layers, num_steps, rows, dim, dtype=words.dtype)
        kept, at_once = list(states), max(1, TOKENS_AT_ONCE // rows)
        for first in range(0, num_steps, at_once):
            some = words[:, first : first + at_once]
            left = (lengths - first).clamp(max=some.shape[1]).to(words.device)
            layers, new = self.bilm(some, kept, left.clamp(min=1))
            found[:, :, first : first + at_once] = torch.stack(layers, dim=1)
            goes_on = (left > 0)[:, None]
            kept = [
                LstmState(torch.where(goes_on, cell, old.cell), torch.where(goes_on, output, old.output))
                for (cell, output), old in zip(new, kept, strict=True)
            ]
        return found, kept


def _checked(sentences: Iterable[Sequence[str]]) -> list[Sequence[str]]:
    """Refuse a text where sentences of tokens are expected, of which Python would make sentences of letters."""
    checked: list[Sequence[str]] = [sentences] if isinstance(sentences, str) else list(sentences)
    for sentence in checked:
        is_text = isinstance(sentence, str) or not isinstance(sentence, Collection)
        if is_text or not all(isinstance(token, str) for token in sentence):
            raise CorpusError(
                f"expected sentences as lists of tokens, found {sentence!r:.80}; take text apart first, "
                'such as "a sentence".split()'
            )
    return checked


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield the places of sentences that run together: of about the same length, without empty ones."""
    order = sorted((i for i, length in enumerate(lengths) if length), key=lengths.__getitem__)
    batch: list[int] = []
    for i in order:
        if batch and (len(batch) + 1) * (lengths[i] + len(MARKS)) > TOKENS_AT_ONCE:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch

"""How a classifier learns: cross-entropy by Adam, until the loss on the dev part no longer falls."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from embtrain.classifier_settings import ClassifySettings
from embtrain.classify.network import Network
from embtrain.classify.tokens import Features
from embtrain.errors import ConfigError

# Batches whose texts are put together by length, so that little is padded.
_BATCHES_SORTED_TOGETHER = 16

# Of the gradient, all parameters together (Pascanu et al., 2013).
_GRADIENT_NORM = 5.0


@dataclass(frozen=True)
class Part:
    """Texts as features, and the number of each one's class, ``(N,)`` int64."""

    features: Features
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Epoch:
    """How one pass ended: losses in nats per text, and the share of the dev part that is classified rightly."""

    number: int
    train_loss: float
    dev_loss: float
    dev_accuracy: float


def learn(
    network: Network, train: Part, dev: Part, settings: ClassifySettings, *, seed: int, observe: Callable[[Epoch], None]
) -> Epoch:
    """Train a network in place, and leave it as it was after its best pass; return that pass.

    Args:
        network: new.
        train: to learn from.
        dev: to stop by: ``settings.patience`` passes after its loss was lowest.
        settings: of Adam, and of the number of passes.
        seed: of the order of texts, and of dropout.
        observe: called after each pass.

    Raises:
        ConfigError: if a loss is not finite, by steps that are too long.
    """
    torch.manual_seed(seed)
    order = np.random.default_rng(seed)
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=settings.learning_rate)
    best, kept = None, [parameter.detach().clone() for parameter in trained]
    for number in range(1, settings.epochs + 1):
        train_loss = _pass(network, train, optimizer, batches(train.features, settings.batch_size, order))
        scores = scores_of(network, dev.features)
        epoch = Epoch(number, train_loss, _loss(scores, dev.labels), float((scores.argmax(1) == dev.labels).mean()))
        if not math.isfinite(epoch.train_loss + epoch.dev_loss):
            raise ConfigError(f"the loss of pass {number} is not finite; lower classify.learning_rate")
        observe(epoch)
        if best is None or epoch.dev_loss < best.dev_loss:
            best, kept = epoch, [parameter.detach().clone() for parameter in trained]
        elif number - best.number >= settings.patience:
            break
    with torch.no_grad():
        for parameter, value in zip(trained, kept, strict=True):
            parameter.copy_(value)
    assert best is not None
    return best


def batches(features: Features, size: int, order: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the numbers of all texts, each once, in batches at random; those of a batch are of similar length."""
    lengths, numbers = np.diff(features.offsets), order.permutation(len(features))
    together = size * _BATCHES_SORTED_TOGETHER
    found = []
    for start in range(0, len(numbers), together):
        some = numbers[start : start + together]
        some = some[np.argsort(lengths[some], kind="stable")]
        found += [some[first : first + size] for first in range(0, len(some), size)]
    for index in order.permutation(len(found)):
        yield found[index]


def scores_of(network: Network, features: Features, texts_at_a_time: int = 256) -> npt.NDArray[np.float32]:
    """Return the logarithm of each class's probability, ``(N, K)``."""
    network.eval()
    # Texts of similar length together; then back in their order.
    by_length = np.argsort(np.diff(features.offsets), kind="stable")
    scores = np.empty((len(features), network.scores.out_features), np.float32)
    with torch.inference_mode():
        for start in range(0, len(features), texts_at_a_time):
            some = by_length[start : start + texts_at_a_time]
            batch = features.batch(some, network.scores.weight.device)
            scores[some] = functional.log_softmax(network(batch), dim=1).cpu().numpy()
    return scores


def _pass(
    network: Network, part: Part, optimizer: torch.optim.Optimizer, numbers: Iterator[npt.NDArray[np.int64]]
) -> float:
    """Go through the texts once; return the mean loss, of the network as it was when each came."""
    network.train()
    device, total = network.scores.weight.device, 0.0
    for texts in numbers:
        labels = torch.from_numpy(part.labels[texts]).to(device)
        loss = functional.cross_entropy(network(part.features.batch(texts, device)), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), _GRADIENT_NORM)
        optimizer.step()
        total += loss.item() * len(texts)
    return total / len(part.labels)


def _loss(scores: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> float:
    return float(0 - scores[np.arange(len(labels)), labels].mean(dtype=np.float64))

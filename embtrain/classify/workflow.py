"""From a table to a registered classifier: read, learn with each input and seed, test, log, register the best."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import torch

from embtrain import tracking
from embtrain.classifier_settings import RANDOM, sources_of
from embtrain.classify.classifier import Classifier, network_of
from embtrain.classify.data import Dataset, read_dataset
from embtrain.classify.inputs import ElmoInput, Input, WordInput
from embtrain.classify.learning import Epoch, Part, learn, scores_of
from embtrain.classify.registry import register_classifier
from embtrain.classify.scores import Comparison, Scores
from embtrain.classify.tokens import Features, Tokens
from embtrain.config import Settings
from embtrain.contextual_vectors import ContextualVectors
from embtrain.errors import ConfigError, CorpusError
from embtrain.loading import load
from embtrain.models.devices import choose_device
from embtrain.text import TextRules
from embtrain.vectors import Vectors

log = logging.getLogger(__name__)

PARTS = ("train", "dev", "test")


@dataclass(frozen=True)
class Trained:
    """A classifier, the pass of its training that was kept, and its scores."""

    classifier: Classifier
    epoch: Epoch
    scores: Scores


def classify(settings: Settings) -> Comparison:
    """Train a classifier with each input and seed, each a run in MLflow, and register the best.

    The best is the one with the lowest loss on the dev part; the test part decides nothing.

    Raises:
        EmbtrainError: if the table, a model or MLflow cannot be used.
    """
    if settings.corpus is None:
        raise ConfigError("corpus is missing: corpus.paths names the table to classify")
    # A server or a model that is not there is to cost no training.
    tracking.connect(settings.track.uri)
    task = Task(settings, read_dataset(settings.corpus, settings.classify), _load_models(settings))
    trained: list[tuple[str, Scores]] = []
    best: tuple[str, Trained] | None = None
    with _torch_threads(settings.train.threads):
        for text in settings.classify.inputs:
            for seed in settings.classify.seeds:
                run_id, one = _run(settings, task, text, seed)
                trained.append((text, one.scores))
                if best is None or one.epoch.dev_loss < best[1].epoch.dev_loss:
                    best = run_id, one
    assert best is not None
    scores = {text: [scores for name, scores in trained if name == text] for text in settings.classify.inputs}
    return Comparison(scores, _register(settings, task.dataset, *best))


class Task:
    """The texts of a task as tokens, and what the inputs make of them, which all classifiers share.

    Args:
        settings: of the run.
        dataset: the texts and labels.
        models: what the inputs name, but for ``random``.

    Raises:
        CorpusError: if no text to learn from has a token.
    """

    def __init__(self, settings: Settings, dataset: Dataset, models: Mapping[str, Vectors | ContextualVectors]) -> None:
        assert settings.corpus is not None
        self.dataset = dataset
        self._settings, self._models = settings, models
        self._device = choose_device(settings.train.device, None, packages=["torch"])
        self._text_rules = settings.corpus.text_rules
        self._examples = {part: getattr(dataset, part) for part in PARTS}
        self._tokens = {
            part: Tokens.of(examples.texts, self._text_rules, settings.classify.max_tokens)
            for part, examples in self._examples.items()
        }
        _require_tokens(self._tokens, self._text_rules)
        self._inputs: dict[str, tuple[Input, dict[str, npt.NDArray[Any]]]] = {}
        for name, model in models.items():
            compare_rules(name, model, settings)

    def train(self, text: str, seed: int, observe: Callable[[Epoch], None]) -> Trained:
        """Train a classifier, and test it.

        Args:
            text: the input, as in the settings.
            seed: of the network's start, the order of the texts, and dropout.
            observe: called after each pass.
        """
        settings, classes = self._settings.classify, self.dataset.classes
        found = [self._input(name) for name in sources_of(text)]
        inputs = [source for source, _ in found]
        parts = {
            part: Part(
                Features([features[part] for _, features in found], self._tokens[part].offsets),
                self._examples[part].labels,
            )
            for part in PARTS
        }
        torch.manual_seed(seed)
        network = network_of(inputs, num_classes=len(classes), settings=settings)
        network.to(self._device)
        epoch = learn(network, parts["train"], parts["dev"], settings, seed=seed, observe=observe)
        predicted = scores_of(network, parts["test"].features).argmax(axis=1)
        classifier = Classifier(classes, self._text_rules, settings, inputs, network.cpu())
        return Trained(classifier, epoch, Scores.of(parts["test"].labels, predicted, classes))

    def _input(self, name: str) -> tuple[Input, dict[str, npt.NDArray[Any]]]:
        """Return an input by what the settings call it, and its features of each part, computed once."""
        if name not in self._inputs:
            settings, own, model = self._settings.classify, self._tokens["train"].flat, self._models.get(name)
            source: Input
            if model is None:
                source = WordInput.random(own, settings.dim)
            elif isinstance(model, ContextualVectors):
                log.info(
                    "computing the layers of %s for %d tokens",
                    name,
                    sum(len(tokens.flat) for tokens in self._tokens.values()),
                )
                source = ElmoInput(model.to(self._device), layer_norm=settings.layer_norm)
            else:
                source = WordInput.of_vectors(model, own, max_words=settings.max_words, frozen=settings.frozen)
            self._inputs[name] = source, {part: source.features(tokens) for part, tokens in self._tokens.items()}
        return self._inputs[name]


def _require_tokens(parts: Mapping[str, Tokens], rules: TextRules) -> None:
    """Log how many texts have no token; all of them are read alike, as nothing.

    Raises:
        CorpusError: if all of those to learn from are such.
    """
    for part, tokens in parts.items():
        if tokens.num_empty:
            log.warning("%d of %d texts of the %s part have no token", tokens.num_empty, len(tokens), part)
    if not len(parts["train"].flat):
        raise CorpusError(
            f"none of the {len(parts['train'])} texts to train on has a token by corpus.tokenizer {rules.tokenizer}; "
            "choose corpus.tokenizer punctuated, with which punctuation marks are tokens, or check corpus.text_column"
        )


def _load_models(settings: Settings) -> dict[str, Vectors | ContextualVectors]:
    names = {name: None for text in settings.classify.inputs for name in sources_of(text) if name != RANDOM}
    return {name: load(name) for name in names}


def compare_rules(name: str, model: Vectors | ContextualVectors, settings: Settings) -> None:
    """Warn where a model was trained on text that was taken apart otherwise; vectors of other tools do not tell."""
    tokeniser = model.tokeniser
    assert settings.corpus is not None
    differ = [
        f"corpus.{key} {value}, here {getattr(settings.corpus.text_rules, key)}"
        for key, value in (vars(tokeniser.rules).items() if tokeniser else ())
        if key in {"language", "tokenizer", "lowercase", "digits", "urls"}
        and value != getattr(settings.corpus.text_rules, key)
    ]
    if differ:
        log.warning("%s was trained with %s; it reads best what it was trained on", name, "; ".join(differ))


def _run(settings: Settings, task: Task, text: str, seed: int) -> tuple[str, Trained]:
    """Train one classifier in a run of its own, whose settings are those of this one."""
    only = settings.classify.model_copy(update={"inputs": [text], "seeds": [seed]})
    with tracking.start_run(settings.track, name=f"{settings.name}: {text}, seed {seed}") as run:
        run.log_settings(settings.model_copy(update={"classify": only}))

        def observe(epoch: Epoch) -> None:
            measured = {"train_loss": epoch.train_loss, "dev_loss": epoch.dev_loss, "dev_accuracy": epoch.dev_accuracy}
            run.log_metrics(measured, step=epoch.number)

        trained = task.train(text, seed, observe)
        run.log_metrics({**trained.scores.metrics(), "best_epoch": trained.epoch.number})
        run.log_text(trained.scores.confusion_json(), "confusion_matrix.json")
        log.info(
            "%s, seed %d: %d passes, dev loss %.4f, test accuracy %.4f (%d errors)",
            text, seed, trained.epoch.number, trained.epoch.dev_loss, trained.scores.accuracy, trained.scores.errors,
        )  # fmt: skip
        return run.run_id, trained


def _register(settings: Settings, dataset: Dataset, run_id: str, best: Trained) -> str:
    metrics = {"dev_loss": best.epoch.dev_loss, "dev_accuracy": best.epoch.dev_accuracy, **best.scores.metrics()}
    return register_classifier(
        best.classifier,
        run_id=run_id,
        name=settings.track.register_as or settings.name,
        alias=settings.track.alias,
        metrics=metrics,
        tags={"model": "classifier"},
        example=dataset.test.texts[0].as_py(),
    )


@contextmanager
def _torch_threads(threads: int | None) -> Iterator[None]:
    """Let torch use so many threads in this process; None: as many as it likes."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)

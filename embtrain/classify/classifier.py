"""A trained classifier: texts in, labels and probabilities out; a folder on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.torch import load_file

import embtrain
from embtrain.classifier_settings import ClassifySettings
from embtrain.classify.inputs import Input, load_input
from embtrain.classify.learning import scores_of
from embtrain.classify.network import Network
from embtrain.classify.tokens import Features, Tokens
from embtrain.errors import FormatError
from embtrain.formats.files import errors_named, finished
from embtrain.tensor_file import write_tensors
from embtrain.text import TextRules
from embtrain.text.utf8 import utf8_texts

_NETWORK = "network.safetensors"
_METADATA = "classifier.json"


@dataclass(frozen=True)
class Classifier:
    """A network, with all that takes a text to it.

    Attributes:
        classes: the K labels.
        text_rules: how texts become tokens.
        settings: of which ``max_tokens`` and the sizes of the encoder count.
        inputs: what reads the tokens.
        network: from what the inputs make of them to scores.
    """

    classes: list[str]
    text_rules: TextRules
    settings: ClassifySettings
    inputs: Sequence[Input]
    network: Network

    def probabilities(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return the probability of each class, ``(N, K)``; a text without tokens has one too."""
        tokens = Tokens.of(utf8_texts(texts), self.text_rules, self.settings.max_tokens)
        features = Features([source.features(tokens) for source in self.inputs], tokens.offsets)
        probabilities = np.exp(scores_of(self.network, features), dtype=np.float64)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        return probabilities

    def predict(self, texts: Sequence[str]) -> list[str]:
        """Return the likeliest label of each text."""
        return [self.classes[best] for best in self.probabilities(texts).argmax(axis=1)]

    def save(self, folder: Path) -> None:
        """Write everything to a new folder, which appears once it is whole.

        Raises:
            FormatError: if there is something of that name already, or the place cannot be written to.
        """
        if folder.exists():
            raise FormatError(f"{folder} exists already; delete it, or choose the name of a new folder")
        metadata = {
            "classes": self.classes,
            "text_rules": asdict(self.text_rules),
            "settings": self.settings.model_dump(mode="json"),
            "inputs": [source.describe() for source in self.inputs],
            "embtrain_version": embtrain.__version__,
        }
        with finished(folder) as unfinished:
            unfinished.mkdir()
            for number, source in enumerate(self.inputs):
                source.save(unfinished / f"input-{number}")
            weights = {name: value.numpy(force=True) for name, value in self.network.state_dict().items()}
            write_tensors(weights, unfinished / _NETWORK)
            text = json.dumps(metadata, indent=1, ensure_ascii=False)
            (unfinished / _METADATA).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Classifier:
        """Read what ``save`` wrote.

        Raises:
            FormatError: if a file is missing or damaged, or they do not belong together.
        """
        with errors_named(folder / _METADATA):
            metadata = json.loads((folder / _METADATA).read_text(encoding="utf-8"))
            try:
                classes, described, rules = (metadata[key] for key in ("classes", "inputs", "text_rules"))
                text_rules = TextRules.from_json(rules)
                settings = ClassifySettings.model_validate(metadata["settings"])
            except (KeyError, TypeError) as error:
                raise FormatError(f"{folder / _METADATA} describes no classifier: {error!r}") from None
        inputs = [load_input(folder / f"input-{number}", one) for number, one in enumerate(described)]
        network = network_of(inputs, num_classes=len(classes), settings=settings)
        try:
            network.load_state_dict(load_file(folder / _NETWORK))
        except (SafetensorError, RuntimeError, OSError) as error:
            raise FormatError(f"{folder / _NETWORK} is damaged, or of another classifier: {error}") from None
        return cls(classes, text_rules, settings, inputs, network)


def network_of(inputs: Sequence[Input], *, num_classes: int, settings: ClassifySettings) -> Network:
    """Return a new network for some inputs, by torch's generator of random numbers."""
    modules = [source.module() for source in inputs]
    return Network(modules, input_dim=sum(source.dim for source in inputs), num_classes=num_classes, settings=settings)

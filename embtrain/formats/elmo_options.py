"""The published ``options.json`` of an ELMo model, of which sizes are all that a trained model needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from embtrain.config import ElmoArchitecture
from embtrain.errors import FormatError
from embtrain.text.characters import CHARACTERS_PER_WORD, NUM_CHARACTERS

# bilm-tf trains with 261 characters, and asks for the 262nd, of padding, to be added for use; both are around.
_NUM_CHARACTERS = (NUM_CHARACTERS - 1, NUM_CHARACTERS)


def options_of(architecture: ElmoArchitecture) -> dict[str, Any]:
    """Spell sizes as bilm-tf and AllenNLP do."""
    return {
        "bidirectional": True,
        "lstm": {
            "dim": architecture.cell_dim,
            "projection_dim": architecture.projection_dim,
            "n_layers": architecture.layers,
            "cell_clip": architecture.cell_clip,
            "proj_clip": architecture.projection_clip,
            "use_skip_connections": architecture.skip_connections,
        },
        "char_cnn": {
            "activation": architecture.activation,
            "embedding": {"dim": architecture.char_dim},
            "filters": [list(kind) for kind in architecture.filters],
            "n_highway": architecture.highways,
            "n_characters": NUM_CHARACTERS,
            "max_characters_per_token": CHARACTERS_PER_WORD,
        },
    }


def architecture_of(options: Any, path: Path) -> ElmoArchitecture:
    """Read sizes; whatever else the options say is left aside.

    Args:
        options: what the file holds.
        path: of the file, for messages.

    Raises:
        FormatError: if one is missing, or not what embtrain computes.
    """
    try:
        lstm, characters = options["lstm"], options["char_cnn"]
        _require(path, "n_characters", characters["n_characters"], _NUM_CHARACTERS)
        _require(path, "max_characters_per_token", characters["max_characters_per_token"], (CHARACTERS_PER_WORD,))
        return ElmoArchitecture(
            char_dim=characters["embedding"]["dim"],
            filters=characters["filters"],
            activation=characters["activation"],
            highways=characters.get("n_highway") or 0,
            projection_dim=lstm["projection_dim"],
            cell_dim=lstm["dim"],
            layers=lstm["n_layers"],
            skip_connections=lstm.get("use_skip_connections", False),
            cell_clip=lstm.get("cell_clip"),
            projection_clip=lstm.get("proj_clip"),
        )
    except KeyError as error:
        raise FormatError(f"{path} lacks {error}, which the options of an ELMo model with characters have") from None
    except (TypeError, AttributeError):
        raise FormatError(f"{path}: expected the options of an ELMo model, found something else") from None
    except ValidationError as error:
        first = error.errors()[0]
        found = f"{'.'.join(map(str, first['loc']))}: {first['msg']}, found {first['input']!r}"
        raise FormatError(f"{path} has options that embtrain cannot compute: {found}") from None


def _require(path: Path, name: str, found: object, expected: tuple[int, ...]) -> None:
    if found not in expected:
        allowed = " or ".join(map(str, expected))
        raise FormatError(f"{path}: char_cnn.{name} must be {allowed}, found {found!r}")

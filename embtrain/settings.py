"""From a run file and ``key=value`` overrides to :class:`~embtrain.config.Settings`.

Order, the later wins: the defaults in ``embtrain.config``, the run file, the overrides.
"""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from embtrain.config import Settings
from embtrain.errors import ConfigError


def load_settings(path: str | Path, overrides: Sequence[str] = ()) -> Settings:
    """Read a run file, apply overrides such as ``train.epochs=3``, and check every value.

    Args:
        path: a YAML file that holds a mapping.
        overrides: ``section.key=value``, the value in YAML's own spelling.

    Raises:
        ConfigError: naming the file or the key, what was expected and what was found.
    """
    values = _read_yaml(Path(path))
    for override in overrides:
        _apply(values, override)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{path}: " + "; ".join(_explain(error))) from None


class _Loader(yaml.SafeLoader):
    """Reads YAML, and refuses a key that a mapping has twice: of the two, YAML's own reader keeps the last."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Return the next mapping of the file."""
        mapping = super().compose_mapping_node(anchor)
        known: dict[str, yaml.Node] = {}
        for key, _ in mapping.value:
            first = known.setdefault(str(key.value), key)
            if first is not key:
                problem = f"{key.value!r} appears twice, first in line {first.start_mark.line + 1}"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
        return mapping


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = _Loader(path.read_text(encoding="utf-8")).get_single_data()
    except FileNotFoundError:
        raise ConfigError(f"no run file at {path}; conf/README.md shows how to write one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the run file {path}: {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{where}: not valid YAML: {getattr(error, 'problem', error)}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected a mapping of settings, found {type(values).__name__}")
    return values


def _apply(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    *sections, last = key.split(".")
    if not equals or not all((*sections, last)):
        raise ConfigError(f"override {override!r}: expected key=value, such as train.epochs=3")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ConfigError(f"override {override!r}: {section!r} is a single value, not a section")
    try:
        values[last] = _Loader(text).get_single_data()
    except yaml.YAMLError:
        raise ConfigError(f"override {override!r}: {text!r} is not a valid YAML value") from None


def _explain(error: ValidationError) -> Iterator[str]:
    """Yield one sentence per problem, in the words of the run file rather than of pydantic."""
    known = list(_known_keys(Settings))
    for problem in error.errors():
        keys, kind = _split_kind([str(part) for part in problem["loc"]])
        path = ".".join(keys)
        match problem["type"]:
            case "extra_forbidden" if path in known:
                yield f"{path!r} is a setting of another {keys[0]}.type than {kind!r}"
            case "extra_forbidden":
                yield f"unknown setting {path!r}" + _suggestion(keys, known)
            case "missing":
                yield f"{path} is missing"
            case "value_error":
                yield str(problem["ctx"]["error"])
            case "union_tag_invalid":
                yield f"{path}.type: expected one of {problem['ctx']['expected_tags']}, found {problem['ctx']['tag']!r}"
            case "model_type" | "model_attributes_type":
                yield f"{path}: expected a mapping of settings, found {problem['input']!r}"
            case _:
                message = problem["msg"][0].lower() + problem["msg"][1:]
                yield f"{path}: {message}, found {problem['input']!r}"


def _split_kind(location: list[str]) -> tuple[list[str], str | None]:
    """Split a problem's place into keys of the run file, and the ``type`` that pydantic adds where it decides."""
    field = Settings.model_fields.get(location[0]) if location else None
    if field and field.discriminator and len(location) > 1:
        return [location[0], *location[2:]], location[1]
    return location, None


def _suggestion(keys: list[str], known: list[str]) -> str:
    """Return the known key that was meant: of the same name elsewhere, or spelled nearly so."""
    by_name = {path.rsplit(".", 1)[-1]: path for path in reversed(known)}  # of several, the first
    near = (
        [path for path in [by_name.get(keys[-1])] if path]
        or difflib.get_close_matches(".".join(keys), known, n=1, cutoff=0.75)
        or [by_name[name] for name in difflib.get_close_matches(keys[-1], by_name, n=1, cutoff=0.7)]
    )
    return f"; did you mean {near[0]!r}?" if near else "; conf/README.md lists all settings"


def _known_keys(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in section.model_fields.items():
        yield prefix + name
        for nested in _sections_in(field.annotation):
            yield from _known_keys(nested, f"{prefix}{name}.")


def _sections_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif typing.get_origin(annotation) in (typing.Union, types.UnionType, typing.Annotated):
        for argument in typing.get_args(annotation):
            yield from _sections_in(argument)

"""Versions in MLflow's registry: find one, say where it comes from, and let an alias stand for it."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from datetime import UTC, datetime

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from embtrain.errors import ModelNotFoundError, SetupError
from embtrain.storage import without_credentials
from embtrain.tracking import connect, first_line

_VERSION_URI = re.compile(r"models:/(?P<name>[^/@']+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d+|latest))")


@dataclass(frozen=True)
class Origin:
    """Where a version comes from: its tags, which have what it was measured at, and the settings of its run."""

    uri: str
    """``models:/NAME/3``."""
    registered: datetime
    aliases: list[str]
    run_id: str
    tags: dict[str, str]
    settings: dict[str, str]
    """Empty where the run is gone."""


def origin_of(uri: str) -> Origin:
    """Return where a version comes from.

    Raises:
        ModelNotFoundError: if there is none; it names those that there are.
        SetupError: if MLflow cannot be reached.
    """
    client = connect(must_exist=True)
    found = find_version(client, uri)
    try:
        settings = client.get_run(found.run_id or "").data.params
    except MlflowException:
        settings = {}
    return Origin(
        uri=uri_of(found),
        registered=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
        aliases=sorted(client.get_model_version(found.name, found.version).aliases),
        run_id=found.run_id or "none",
        tags=found.tags,
        settings=settings,
    )


def promote(uri: str, alias: str) -> str:
    """Let an alias stand for a version; return in one sentence which that is, and which it was before.

    Args:
        uri: of the version, by its number or by another alias.
        alias: such as ``champion``, which others load by.

    Raises:
        ModelNotFoundError: if there is no such version; it names those that there are.
        SetupError: if MLflow cannot be reached, or refuses the alias.
    """
    client = connect(must_exist=True)
    found = find_version(client, uri)
    try:
        return move_alias(client, found.name, alias, found.version)
    except MlflowException as error:
        raise SetupError(f"MLflow could not let {alias!r} stand for {uri_of(found)}: {first_line(error)}") from error


def move_alias(client: mlflow.MlflowClient, name: str, alias: str, version: str) -> str:
    """Let an alias of a model stand for one of its versions; return a sentence with that and the one before."""
    before = client.get_registered_model(name).aliases.get(alias)
    client.set_registered_model_alias(name, alias, version)
    return f"models:/{name}@{alias} is version {version}; before it was {f'version {before}' if before else 'none'}"


def names_version(uri: str) -> bool:
    """Tell whether a URI is of a registered version: ``models:/NAME@ALIAS``, ``models:/NAME/3`` or ``…/latest``."""
    return bool(_VERSION_URI.fullmatch(uri))


def uri_of(version: ModelVersion) -> str:
    """Return ``models:/NAME/3``."""
    return f"models:/{version.name}/{version.version}"


def find_version(client: mlflow.MlflowClient, uri: str) -> ModelVersion:
    """Return the version that has an alias or a number, or the latest.

    Raises:
        ModelNotFoundError: naming what there is instead.
    """
    match = _VERSION_URI.fullmatch(uri)
    if match is None:
        raise ModelNotFoundError(f"expected models:/NAME@ALIAS or models:/NAME/VERSION, found {uri!r}")
    name, alias, version = match["name"], match["alias"], match["version"]
    versions = {int(found.version): found for found in client.search_model_versions(f"name='{name}'")}
    if not versions:
        raise ModelNotFoundError(f"there is no registered model {name!r}; {_models_known(client, name)}")
    aliases = client.get_registered_model(name).aliases
    if alias is not None and alias not in aliases:
        known = ", ".join(sorted(aliases)) or "none"
        raise ModelNotFoundError(f"the model {name!r} has no alias {alias!r}; its aliases are: {known}")
    number = max(versions) if version == "latest" else int(version or aliases[alias])
    if number not in versions:
        known = ", ".join(map(str, sorted(versions)))
        raise ModelNotFoundError(f"the model {name!r} has no version {number}; its versions are: {known}")
    return versions[number]


def _models_known(client: mlflow.MlflowClient, name: str) -> str:
    names = [model.name for model in client.search_registered_models()]
    near = difflib.get_close_matches(name, names, n=3)
    if near:
        return f"did you mean {', '.join(map(repr, near))}?"
    server = without_credentials(mlflow.get_tracking_uri())
    return f"registered are: {', '.join(names) or 'none'}, in MLflow at {server}"

"""The registry of versions in MLflow: put vectors there, and get them back.

A version holds the vectors as safetensors and Parquet, the code that answers questions about them, and nothing
pickled. Its alias is set last, once the version has been loaded back and asked for a vector: whoever follows
``models:/NAME@champion`` never meets one that does not work.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import mlflow
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.models.model import ModelInfo
from mlflow.types.schema import ColSpec, DataType, ParamSchema, ParamSpec, Schema

import embtrain
from embtrain import formats, served_model
from embtrain.errors import EmbtrainError, ModelNotFoundError, SetupError
from embtrain.loading import read_file
from embtrain.text import TextRules
from embtrain.text.morphemes import KIWI_PACKAGES
from embtrain.tracking import connect, first_line
from embtrain.vectors import Vectors
from embtrain.versions import find_version, move_alias, names_version, uri_of

if TYPE_CHECKING:
    from embtrain.contextual_vectors import ContextualVectors

log = logging.getLogger(__name__)

LOGGED_MODEL = "vectors"
"""A run's vectors are ``runs:/RUN_ID/vectors``."""

_REQUIREMENTS = ("mlflow", "numpy", "pandas", "pyarrow", "rapidfuzz", "safetensors")


@dataclass(frozen=True)
class Servable:
    """What a version holds, and how MLflow is to load and ask it."""

    logged_as: str
    """The model's name in its run."""
    save: Callable[[Path], None]
    """Writes the folder that the version keeps."""
    artifact: str
    """The folder's name among the version's artifacts."""
    code: str
    """The file that MLflow runs where a version is loaded, and that reads the folder."""
    requirements: Sequence[str]
    """Packages that it imports."""
    signature: ModelSignature
    question: pd.DataFrame
    """An example of what it is asked."""
    check: Callable[[Any], str | None]
    """Says what is wrong with the answer to the question; None if nothing is."""


def register(
    vectors: Vectors | ContextualVectors,
    *,
    run_id: str,
    name: str,
    alias: str | None,
    metrics: Mapping[str, float] | None = None,
    tags: Mapping[str, str] | None = None,
) -> str:
    """Register vectors; see :func:`register_servable`."""
    servable = _servable_vectors(vectors) if isinstance(vectors, Vectors) else _servable_contextual(vectors)
    return register_servable(servable, run_id=run_id, name=name, alias=alias, metrics=metrics, tags=tags)


def register_servable(
    servable: Servable,
    *,
    run_id: str,
    name: str,
    alias: str | None,
    metrics: Mapping[str, float] | None = None,
    tags: Mapping[str, str] | None = None,
) -> str:
    """Register a new version, in the MLflow that this process is connected to.

    Args:
        servable: to be kept.
        run_id: the run that it comes from.
        name: of the registered model; made if there is none.
        alias: moved to the new version once that has been loaded and has answered. None: none is.
        metrics: what it was measured at: become tags of the version.
        tags: further tags, such as the snapshot's fingerprint.

    Returns:
        The version's URI, ``models:/NAME/3``.

    Raises:
        SetupError: if MLflow cannot keep the version, or it does not answer as it must; then it is removed.
    """
    client = connect()
    described = {key: f"{value:.6g}" for key, value in (metrics or {}).items()} | dict(tags or {})
    try:
        logged = _log(servable, run_id)
        _ensure_model(client, name)
        version = client.create_model_version(
            name, logged.model_uri, run_id, tags=described, model_id=logged.model_id
        ).version
        with _removed_on_failure(client, name, version):
            _check_answers(f"models:/{name}/{version}", servable)
            if alias:
                log.info("%s", move_alias(client, name, alias, version))
    except MlflowException as error:
        raise SetupError(f"MLflow could not register {name!r}: {first_line(error)}") from error
    return f"models:/{name}/{version}"


def load_registered(uri: str) -> Vectors | ContextualVectors:
    """Return the vectors of a version (``models:/NAME@ALIAS``, ``models:/NAME/3``) or a run (``runs:/RUN_ID/vectors``).

    Raises:
        ModelNotFoundError: naming the models, versions or aliases that there are.
        SetupError: if MLflow cannot be reached, or the vectors are there and cannot be read.
    """
    client = connect(must_exist=True)
    if names_version(uri):
        uri = uri_of(find_version(client, uri))
    with tempfile.TemporaryDirectory() as folder:
        try:
            vectors = mlflow.artifacts.download_artifacts(
                artifact_uri=f"{uri}/artifacts/{served_model.ARTIFACT}", dst_path=folder
            )
        except (MlflowException, OSError) as error:
            raise _not_loaded(uri, error) from None
        return read_file(vectors)


def text_requirements(rules: TextRules | None) -> tuple[str, ...]:
    """Return the packages by which texts are taken apart where a version is served."""
    return KIWI_PACKAGES if rules and rules.tokenizer == "morphemes" else ()


def _not_loaded(uri: str, error: MlflowException | OSError) -> EmbtrainError:
    """Return what to tell where no vectors came: they cannot be read, there is something else, or there is nothing."""
    try:
        names = [Path(file.path).name for file in mlflow.artifacts.list_artifacts(artifact_uri=f"{uri}/artifacts")]
    except PermissionError:
        names = [served_model.ARTIFACT]
    except (MlflowException, OSError):
        names = []
    if served_model.ARTIFACT in names:
        # Of several files that failed, MLflow names each, and why, on lines of their own.
        return SetupError(f"the vectors of {uri} are there, but cannot be read: {str(error).splitlines()[-1]}")
    if names:
        found = " and ".join(names)
        advice = f"load it by mlflow.pyfunc.load_model({uri!r})"
        return ModelNotFoundError(f"{uri} has no vectors, but a {found}; {advice}")
    return ModelNotFoundError(f"there are no vectors at {uri}: {first_line(error)}")


def _servable_vectors(vectors: Vectors) -> Servable:
    word, tokeniser = vectors.index_to_key[0], vectors.tokeniser

    def check(answer: Any) -> str | None:
        if np.array_equal(answer[:1], vectors[[word]]):
            return None
        return f"gives another vector for {word!r} than was registered"

    return Servable(
        logged_as=LOGGED_MODEL,
        save=lambda folder: formats.write(vectors, folder, "safetensors"),
        artifact=served_model.ARTIFACT,
        code=served_model.__file__,
        requirements=(*_REQUIREMENTS, *text_requirements(tokeniser.rules if tokeniser else None)),
        signature=_signature(chain(*served_model.COLUMNS.values()), served_model.PARAMS),
        question=pd.DataFrame({"word": vectors.index_to_key[:2]}),
        check=check,
    )


def _servable_contextual(contextual: ContextualVectors) -> Servable:
    from embtrain import served_contextual  # noqa: PLC0415 - loads torch
    from embtrain.formats import elmo  # noqa: PLC0415 - likewise

    texts, tokeniser = ["The first text.", "Another one."], contextual.tokeniser

    def check(answer: Any) -> str | None:
        if np.allclose(answer, contextual.encode_texts(texts), atol=1e-5):
            return None
        return f"gives other vectors for {texts!r} than what was registered"

    return Servable(
        logged_as=LOGGED_MODEL,
        save=lambda folder: elmo.write(contextual, folder),
        artifact=served_model.ARTIFACT,
        code=served_contextual.__file__,
        requirements=(
            *_REQUIREMENTS,
            "h5py",
            "pydantic",
            "torch",
            *text_requirements(tokeniser.rules if tokeniser else None),
        ),
        signature=_signature([served_contextual.COLUMN], served_contextual.PARAMS),
        question=pd.DataFrame({served_contextual.COLUMN: texts}),
        check=check,
    )


def _log(servable: Servable, run_id: str) -> ModelInfo:
    """Log it as the run's model."""
    imported = Path(embtrain.__file__).parent
    with tempfile.TemporaryDirectory() as temporary, _on_disk(imported) as package:
        folder = Path(temporary) / servable.artifact
        servable.save(folder)
        logged: ModelInfo = Model.log(
            None,
            mlflow.pyfunc,
            name=servable.logged_as,
            run_id=run_id,
            python_model=str(package / Path(servable.code).relative_to(imported)),
            artifacts={servable.artifact: str(folder)},
            # So that it loads where embtrain is not installed.
            code_paths=[str(package)],
            pip_requirements=[_requirement(package) for package in servable.requirements],
            signature=servable.signature,
            input_example=servable.question,
        )
        return logged


@contextmanager
def _on_disk(package: Path) -> Iterator[Path]:
    """Give a package's folder; one that was imported from a zip, as on a cluster, is unpacked while the block runs."""
    if package.is_dir():
        yield package
        return
    with tempfile.TemporaryDirectory() as unpacked, ZipFile(package.parent) as archive:
        archive.extractall(unpacked, [name for name in archive.namelist() if name.startswith(f"{package.name}/")])
        yield Path(unpacked) / package.name


def _requirement(package: str) -> str:
    """Return the installed version, without its build: no index has torch 2.13.0+cpu, all have 2.13.0."""
    return f"{package}=={installed_version(package).partition('+')[0]}"


def _signature(columns: Iterable[str], params: Mapping[str, Any]) -> ModelSignature:
    """Return the columns and parameters of ``predict``. No column is required: each task reads its own."""
    kinds = {str: DataType.string, int: DataType.long}
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.string, column, required=False) for column in dict.fromkeys(columns)]),
        params=ParamSchema([ParamSpec(name, kinds[type(value)], value) for name, value in params.items()]),
    )


def _ensure_model(client: mlflow.MlflowClient, name: str) -> None:
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


@contextmanager
def _removed_on_failure(client: mlflow.MlflowClient, name: str, version: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        client.delete_model_version(name, version)
        raise


def _check_answers(uri: str, servable: Servable) -> None:
    """Load a version as a consumer would, and ask it: MLflow registers models that cannot be loaded.

    Raises:
        SetupError: if it does not load, or answers otherwise than it must.
    """
    modules_from = list(sys.path)
    try:
        answer = mlflow.pyfunc.load_model(uri).predict(servable.question)
    except Exception as error:
        raise SetupError(f"the new version {uri} cannot be used: {first_line(error)}") from error
    finally:
        # MLflow puts the version's copy of embtrain before ours.
        sys.path[:] = modules_from
    if wrong := servable.check(answer):
        raise SetupError(f"the new version {uri} {wrong}")

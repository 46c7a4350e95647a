"""Runs in MLflow: settings, metrics over steps, the snapshot trained on, and what came of it.

Of several processes only the first one tracks. MLFLOW_TRACKING_URI comes before the configured ``track.uri``.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow
import pyarrow as pa
import pyarrow.parquet as pq
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param
from mlflow.exceptions import MlflowException

from embtrain.config import Section, Settings, TrackSettings
from embtrain.errors import SetupError, TerminatedError
from embtrain.manifest import Snapshot, read_manifest
from embtrain.storage import without_credentials

log = logging.getLogger(__name__)

_SQLITE = "sqlite:///"

# MLflow waits minutes for a server. That is right for what ends a training, not before its start or on its way.
_IMPATIENT = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}


@dataclass(frozen=True)
class TrackedRun:
    """A run that is going on. Each method sends what it is given at once."""

    run_id: str
    client: mlflow.MlflowClient
    _warned_of: set[str] = field(default_factory=set)

    def log_settings(self, settings: Settings) -> None:
        """Log each setting as a parameter, ``section.key``, without passwords. Those of a run that goes on stay."""
        known = self.client.get_run(self.run_id).data.params
        values = {key: without_credentials(value) for key, value in _flatten(settings) if key not in known}
        self.client.log_batch(self.run_id, params=[Param(key, value) for key, value in values.items()])

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log the values of some metrics at one step. What MLflow cannot take is left out: a training goes on.

        The first failure of each kind is told as a warning.
        """
        now = round(time.time() * 1000)
        values = [Metric(key, value, now, step) for key, value in metrics.items()]
        try:
            with _impatient():
                self.client.log_batch(self.run_id, metrics=values)
        except (MlflowException, OSError) as error:
            kind = getattr(error, "error_code", type(error).__name__)
            if kind not in self._warned_of:
                self._warned_of.add(kind)
                log.warning("MLflow misses some metrics: %s", _reason(error))

    def log_snapshot(self, name: str, snapshot: Snapshot) -> None:
        """Log the snapshot as the run's dataset: its location, its fingerprint, and the size of each table."""
        dataset = Dataset(
            name=name,
            digest=snapshot.fingerprint,
            source_type="local",
            source=json.dumps({"uri": without_credentials(str(snapshot.location))}),
            profile=json.dumps(_sizes(snapshot)),
        )
        context = InputTag("mlflow.data.context", "training")
        self.client.log_inputs(self.run_id, datasets=[DatasetInput(dataset, [context])])

    def log_text(self, text: str, file: str) -> None:
        """Keep a text as the run's artifact ``file``."""
        self.client.log_text(self.run_id, text, file)

    def log_table(self, table: pa.Table, file: str) -> None:
        """Keep a table as the run's artifact ``file``, in Parquet."""
        with TemporaryDirectory() as folder:
            pq.write_table(table, Path(folder) / file, compression="zstd")
            self.client.log_artifact(self.run_id, str(Path(folder) / file))


@contextmanager
def start_run(settings: TrackSettings, name: str, run_id: str | None = None) -> Iterator[TrackedRun]:
    """Start a run, or go on with one; at the end of the block it is finished, failed if that raised, or killed.

    Args:
        settings: server or database, and experiment.
        name: of the run, as MLflow's page shows it.
        run_id: of a run to go on with, if the experiment has it still.

    Raises:
        SetupError: if the server or database cannot be used, now or by a method of the run.
    """
    client = connect(settings.uri)
    with _told(mlflow.get_tracking_uri()):
        experiment = mlflow.set_experiment(settings.experiment)
        if run_id and not _has_run(client, experiment.experiment_id, run_id):
            log.info("MLflow has no run %s in %s any more: logging to a new one", run_id, settings.experiment)
            run_id = None
        run = mlflow.start_run(run_id=run_id, run_name=name, experiment_id=experiment.experiment_id)
        try:
            yield TrackedRun(run.info.run_id, client)
        except BaseException as error:
            status = "KILLED" if isinstance(error, TerminatedError | KeyboardInterrupt) else "FAILED"
            # What was raised is what the user must know, whether or not MLflow still answers.
            with suppress(MlflowException), _impatient():
                mlflow.end_run(status)
            raise
        mlflow.end_run()


def _has_run(client: mlflow.MlflowClient, experiment_id: str, run_id: str) -> bool:
    try:
        return bool(client.get_run(run_id).info.experiment_id == experiment_id)
    except MlflowException:
        return False


def connect(uri: str | None = None, *, must_exist: bool = False) -> mlflow.MlflowClient:
    """Let MLflow use a server or database: the first of these that is given.

    MLFLOW_TRACKING_URI; ``uri``; the one in use, if this process has connected before; the default of ``track.uri``.

    Args:
        uri: of a server or database.
        must_exist: do not make the database where there is none.

    Raises:
        SetupError: if it cannot be reached or written to, or is not there.
    """
    for chatty in ("mlflow", "alembic"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    chosen = os.environ.get("MLFLOW_TRACKING_URI")
    connected = mlflow.tracking.is_tracking_uri_set()  # type: ignore[no-untyped-call]
    in_use = mlflow.get_tracking_uri() if connected else TrackSettings().uri
    uri = chosen or uri or in_use
    if uri.startswith(_SQLITE):
        # Absolute, since MLflow keeps a connection per address, whatever folder that was once relative to.
        database = Path(uri.removeprefix(_SQLITE)).absolute()
        if must_exist and not database.exists():
            raise SetupError(
                f"there is no MLflow database {database}; go to the folder that has the model's, "
                f"or name it by MLFLOW_TRACKING_URI"
            )
        _check_writable(database)
        uri = f"{_SQLITE}{database}"
    mlflow.set_tracking_uri(uri)
    if not chosen:
        # MLflow sets the variable for its subprocesses; the next call would take it for the user's choice.
        os.environ.pop("MLFLOW_TRACKING_URI", None)
    with _told(uri), _impatient():
        client = mlflow.MlflowClient()
        client.search_experiments(max_results=1)
    return client


def _check_writable(database: Path) -> None:
    """Refuse a database that MLflow would try for minutes to open, or find read-only after the training."""
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(database, timeout=30)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
    except (sqlite3.Error, OSError) as error:
        raise SetupError(f"MLflow's database {database} cannot be written to: {error}") from None


@contextmanager
def _told(uri: str) -> Iterator[None]:
    """Turn MLflow's exceptions into one sentence with the address that they are about."""
    try:
        yield
    except MlflowException as error:
        raise SetupError(f"MLflow at {without_credentials(uri)} cannot be used: {_reason(error)}") from None


def first_line(error: Exception) -> str:
    """Return the first line of what MLflow says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _reason(error: Exception) -> str:
    """Return it as it may be shown, in plainer words where no server answers."""
    reason = first_line(error)
    return "no server answers there" if "Max retries exceeded" in reason else without_credentials(reason)


@contextmanager
def _impatient() -> Iterator[None]:
    """Let MLflow give up on a server within seconds, unless the user has said how long to wait."""
    changed = {name: value for name, value in _IMPATIENT.items() if name not in os.environ}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name in changed:
            del os.environ[name]


def _flatten(section: Section, prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in section:
        if isinstance(value, Section):
            yield from _flatten(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _sizes(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    """Return rows and tokens of each table."""
    manifests = {name: read_manifest(snapshot.location / folder) for name, folder in snapshot.tables.items()}
    return {
        name: {"rows": manifest.rows} | ({} if manifest.tokens is None else {"tokens": manifest.tokens})
        for name, manifest in manifests.items()
        if manifest is not None
    }

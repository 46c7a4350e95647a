"""From a snapshot to a registered version: read, train or factorise, evaluate, log, register.

The command line calls this; so may a program. Of several processes all train, and the first one speaks to
MLflow, before the training begins, so that a server that is not there costs no training.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embtrain import tracking, warm_start
from embtrain.checkpoint import Checkpoint, Position, shared
from embtrain.column_checkpoint import ColumnCheckpoint
from embtrain.columns import Columns
from embtrain.config import (
    ElmoSettings,
    EvaluateSettings,
    FactorisedModel,
    FastTextSettings,
    GloveSettings,
    LsaSettings,
    PpmiSvdSettings,
    Settings,
    TrackSettings,
    TrainSettings,
)
from embtrain.data.corpus import Corpus
from embtrain.data.strata import num_strata
from embtrain.data.vocabulary import Vocabulary
from embtrain.distributed import Group, process_group
from embtrain.errors import SetupError
from embtrain.evaluation import evaluate
from embtrain.evaluation.analogy import read_questions
from embtrain.evaluation.similarity import read_pairs
from embtrain.lease import held
from embtrain.loading import words_of
from embtrain.manifest import Snapshot
from embtrain.models.build import build_model, columns_for, device_for, on_device
from embtrain.models.protocol import CARRIED, Model, SubwordModel
from embtrain.prepared import as_prepared, tokeniser_of
from embtrain.progress import training_bar
from embtrain.registry import register
from embtrain.schema import VOCABULARY
from embtrain.storage import Location
from embtrain.train import Training
from embtrain.training_log import TrainingLog
from embtrain.vectors import Vectors

if TYPE_CHECKING:
    from embtrain.contextual_vectors import ContextualVectors

logger = logging.getLogger(__name__)


def train(settings: Settings, *, refreshes: bool = False) -> str | None:
    """Train on a snapshot and register the vectors; go on with an interrupted run where there is one.

    Args:
        settings: of the run.
        refreshes: start anew where the interrupted run was on another snapshot, rather than refuse.

    Returns:
        The version's URI, ``models:/NAME/N``, in the first process; None in the others.

    Raises:
        EmbtrainError: if the snapshot, the checkpoint or MLflow cannot be used, or a setting is not what the
            snapshot was made with.
    """
    from embtrain.planning.refusal import require_room  # noqa: PLC0415 - loads numba

    with process_group(gpus=settings.train.device != "cpu") as group, _lease(settings, group):
        snapshot = Snapshot.open(settings.snapshot_location)
        settings = as_prepared(settings, snapshot)
        require_room(settings, snapshot, group)
        vocabulary = Vocabulary.read(snapshot)
        group.require_equal("snapshot", snapshot.fingerprint)
        group.require_equal("configuration", settings.model_dump(include={"model", "train"}))
        _check_evaluation_files(settings.evaluate)
        if isinstance(settings.model, FactorisedModel):
            return _factorise(settings, snapshot, vocabulary, group)
        columns = columns_for(settings.model, group) if settings.train.parallel == "columns" else None
        reading = Group() if columns else group  # who has columns goes through all of the corpus
        checkpoint = _checkpoint(settings, snapshot, reading, columns)
        with _holding(checkpoint, settings.train, group, refreshes=refreshes):
            corpus = Corpus.open(settings, snapshot, len(vocabulary), reading)
            corpus.source.check(reading.world_size)
            device = _device(settings, group)
            model = _build(settings, vocabulary, corpus, device, group=group, columns=columns)
            start, notes = _resume(model, checkpoint, reading)
            if settings.train.start_from and not start.items:
                notes = warm_start.begin(model, settings, vocabulary, corpus.subwords, group=group, columns=columns)
            with _run(settings, snapshot, group, notes) as run:
                losses = _train(
                    settings,
                    corpus,
                    model,
                    group=reading,
                    merge_words=_merge_words(settings, device, group),
                    checkpoint=checkpoint,
                    start=start,
                    run=run,
                    notes=notes,
                )
                # Columns are gathered from all processes.
                vectors = _vectors(model, vocabulary, settings) if run or columns else None
                if run is None or vectors is None:
                    return None
                version = _register(settings, snapshot, vectors, run, losses=losses, notes=notes)
            checkpoint.remove()
        return version


def _factorise(settings: Settings, snapshot: Snapshot, vocabulary: Vocabulary, group: Group) -> str | None:
    """Make the vectors in one go from the snapshot's counts, and register them."""
    from embtrain.models.factorisation import factorise  # noqa: PLC0415 - loads numba

    assert isinstance(settings.model, PpmiSvdSettings | LsaSettings)
    if group.world_size > 1:
        raise SetupError(
            f"model.type {settings.model.type} is computed by one process, found {group.world_size}; "
            "start embtrain train without torchrun"
        )
    with _run(settings, snapshot, group, {}) as run:
        if run is None:
            return None
        threads = _threads(settings, group)
        factors = factorise(settings.model, snapshot, len(vocabulary), threads=threads, seed=settings.train.seed)
        for place, value in enumerate(factors.singular_values.tolist(), start=1):
            run.log_metrics({"singular_value": value}, step=place)
        if factors.documents is not None:
            run.log_table(factors.documents, "documents.parquet")
        vectors = Vectors(vocabulary.tokens, factors.words, vocabulary.counts)
        return _register(settings, snapshot, vectors, run, losses={}, notes={})


def _lease(settings: Settings, group: Group) -> AbstractContextManager[None]:
    """Keep the snapshot's tables from being deleted while they are read, in the name of all processes."""
    return held(Location.of(settings.snapshot_location), "embtrain train") if group.is_first else nullcontext()


def _check_evaluation_files(settings: EvaluateSettings) -> None:
    """Read the files that the vectors will be measured on, rather than find after hours that one is not there."""
    for path in settings.similarity:
        read_pairs(path)
    for path in settings.analogy:
        read_questions(path)


def _build(
    settings: Settings, vocabulary: Vocabulary, corpus: Corpus, device: str, *, group: Group, columns: Columns | None
) -> Model[Any]:
    """Return the model at the start of its training."""
    assert not isinstance(settings.model, FactorisedModel)
    return build_model(
        settings.model,
        vocabulary,
        threads=_threads(settings, group),
        seed=settings.train.seed,
        device=device,
        subwords=corpus.subwords,
        characters=corpus.characters,
        group=group,
        columns=columns,
    )


def _resume(model: Model[Any], checkpoint: Checkpoint, group: Group) -> tuple[Position, dict[str, str]]:
    """Bring every process to where the first one's checkpoint is; return that position and the notes left there."""
    saved = checkpoint.load(_shapes(model)) if group.is_first else None
    if saved:
        model.load_state(saved.state)
    position = shared(saved.position if saved else Position(), group)
    if position.items:
        model.load_state({name: group.from_first(array) for name, array in model.state().items()})
    return position, saved.notes if saved else {}


def _shapes(model: Model[Any]) -> dict[str, tuple[int | None, ...]]:
    """Return the shapes of a checkpoint's arrays; None for the number of rows of text, which may be another."""
    shapes: dict[str, tuple[int | None, ...]] = {name: array.shape for name, array in model.state().items()}
    carried = [name for name in shapes if name.startswith(CARRIED)]
    return shapes | {name: (shapes[name][0], None, *shapes[name][2:]) for name in carried}


def register_vectors(vectors: Vectors | ContextualVectors, *, name: str, source: str) -> str:
    """Register vectors that were not trained here; return the version's URI.

    Args:
        vectors: as read from a file.
        name: of the registered model, and of the run that shows where they came from.
        source: the file.
    """
    settings = TrackSettings()
    with tracking.start_run(settings, name=name) as run:
        tags = {"imported_from": source}
        return register(vectors, run_id=run.run_id, name=name, alias=settings.alias, metrics={}, tags=tags)


def _device(settings: Settings, group: Group) -> str:
    """Return where all processes train: on the same kind of device, or they could not add up what they have.

    Raises:
        ConfigError: if a GPU is wanted for what no kernel computes there.
        SetupError: if a GPU is wanted, and it or what it takes is not here; or if some processes have one and others
            have none.
    """
    assert not isinstance(settings.model, FactorisedModel)
    device = device_for(settings.model, settings.train.device, by_columns=settings.train.parallel == "columns")
    advice = "set train.device to cpu, or give each process its own GPU and what it takes; the log says what is missing"
    group.require_equal("device", device, advice)
    if device == "cuda" and not group.has_own_gpu:
        raise SetupError(
            f"rank {group.rank} has no GPU of its own: the {group.local_world_size} processes of this machine find "
            "fewer; start one process per GPU, or set train.device to cpu"
        )
    return device


def _merge_words(settings: Settings, device: str, group: Group) -> int:
    """Return the words between merges by the first process: machines may have different numbers of cores."""
    own = settings.train.words_between_merges(_threads(settings, group), device)
    return int(group.from_first(np.array([own]))[0])


def _threads(settings: Settings, group: Group) -> int:
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return settings.train.threads or max(1, available // group.local_world_size)


def _checkpoint(settings: Settings, snapshot: Snapshot, group: Group, columns: Columns | None) -> Checkpoint:
    """Return the run's checkpoint, which belongs to this vocabulary, snapshot, model and schedule.

    GloVe's belongs to a number of strata too: by it cells are dealt out.
    """
    _, vocabulary = snapshot.table(VOCABULARY)
    belongs_to: dict[str, Any] = {
        "model": settings.model.model_dump(mode="json"),
        "vocabulary": vocabulary.fingerprint,
        "snapshot": snapshot.fingerprint,
        "schedule": settings.train.model_dump(include={"epochs", "final_learning_rate", "seed"}),
    }
    if settings.train.start_from:
        belongs_to["train.start_from"] = settings.train.start_from
    if isinstance(settings.model, GloveSettings):
        belongs_to["number of strata"] = num_strata(group.world_size)
    if columns:
        return ColumnCheckpoint(Path(settings.checkpoint_location), belongs_to, columns)
    return Checkpoint(Path(settings.checkpoint_location), belongs_to)


@contextmanager
def _holding(checkpoint: Checkpoint, settings: TrainSettings, group: Group, *, refreshes: bool) -> Iterator[None]:
    """Keep the checkpoint's folder to this run, in the name of all processes, without what may be discarded there."""
    if not group.is_first:
        yield
        return
    with checkpoint.held():
        if settings.stale_checkpoint == "discard":
            checkpoint.discard_stale()
        elif refreshes:
            checkpoint.discard_stale({"vocabulary", "snapshot"})
        yield


@contextmanager
def _run(
    settings: Settings, snapshot: Snapshot, group: Group, notes: dict[str, str]
) -> Iterator[tracking.TrackedRun | None]:
    """Start the run in MLflow, or go on with the one that the checkpoint names; only the first process has one."""
    if not group.is_first:
        yield None
        return
    with tracking.start_run(settings.track, name=settings.name, run_id=notes.get("run_id")) as run:
        run.log_settings(settings)
        run.log_snapshot(settings.name, snapshot)
        yield run


def _train(
    settings: Settings,
    corpus: Corpus,
    model: Model[Any],
    *,
    group: Group,
    merge_words: int,
    checkpoint: Checkpoint,
    start: Position,
    run: tracking.TrackedRun | None,
    notes: Mapping[str, str],
) -> dict[str, float]:
    """Run the loop; return the losses after the last epoch, in the first process."""
    assert not isinstance(settings.model, FactorisedModel)
    # Before blocks take what is free of the device: merging takes copies of the rows.
    merge = model.merger(group, merge_words)
    source, total = on_device(corpus.source, model), settings.train.epochs * corpus.source.size
    log = TrainingLog(run, source.unit)
    if start.items:
        logger.info("going on from %s: %.1f %% done", checkpoint.folder, 100 * start.items / total)
    with training_bar(total=total, done=start.items, unit=source.unit, shown=run is not None) as advance:
        Training(
            model=model,
            source=source,
            held_out=corpus.held_out,
            settings=settings.train,
            learning_rate=settings.model.learning_rate,
            group=group,
            merge=merge,
            merge_words=merge_words,
            checkpoint=checkpoint,
            observe=log,
            advance=advance,
            notes={**notes, "run_id": run.run_id} if run else {},
        ).run(start)
    return log.losses


def _vectors(model: Model[Any], vocabulary: Vocabulary, settings: Settings) -> Vectors | ContextualVectors | None:
    """Return what is registered: FastText makes vectors of words never seen, too, ELMo of words in sentences."""
    if isinstance(settings.model, ElmoSettings):
        from embtrain.contextual_vectors import ContextualVectors  # noqa: PLC0415 - loads torch
        from embtrain.models.elmo.training import Elmo  # noqa: PLC0415 - likewise

        assert isinstance(model, Elmo)
        return ContextualVectors(model.bilm.cpu(), vocabulary=vocabulary.tokens, counts=vocabulary.counts)
    if isinstance(settings.model, FastTextSettings):
        assert isinstance(model, SubwordModel)
        return model.subword_vectors(vocabulary)
    return Vectors(vocabulary.tokens, model.vectors(), vocabulary.counts)


def _register(
    settings: Settings,
    snapshot: Snapshot,
    vectors: Vectors | ContextualVectors,
    run: tracking.TrackedRun,
    *,
    losses: Mapping[str, float],
    notes: Mapping[str, str],
) -> str:
    """Evaluate the vectors, log what was measured, and register them under the alias."""
    vectors.tokeniser = tokeniser_of(settings, snapshot)
    evaluation = evaluate(words_of(vectors), settings.evaluate)
    metrics = evaluation.metrics()
    run.log_metrics(metrics)
    run.log_text(evaluation.to_json(), "evaluation.json")
    if settings.evaluate.similarity or settings.evaluate.analogy:
        logger.info("%s", evaluation)
    lineage = {name: value for name, value in notes.items() if name == warm_start.STARTED_FROM}
    return register(
        vectors,
        run_id=run.run_id,
        name=settings.track.register_as or settings.name,
        alias=settings.track.alias,
        metrics={**metrics, **losses},
        tags={"snapshot": snapshot.fingerprint, "model": settings.model.type, **lineage},
    )

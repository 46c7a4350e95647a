"""Corpus to snapshot: the chain of the stages.

::

    corpus (-> near_duplicates) -> sentences, dropped
    sentences (-> phrases -> sentences) -> vocabulary -> unigram
                                    |              |
                                    +--------------+-> sequences, held_out
                                                   |              |
                                                   |              +-> cooccurrence
                                                   +-> subwords, characters, document_terms
"""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import SparkSession

from embtrain.config import CorpusSettings, FurtherTable, Settings
from embtrain.errors import ConfigError, TerminatedError
from embtrain.lease import held
from embtrain.manifest import Snapshot
from embtrain.schema import HELD_OUT, SEQUENCES
from embtrain.storage import Location
from embtrain.termination import heeded
from pipelines.characters import characters_stage
from pipelines.cooccurrence import cooccurrence_stage
from pipelines.document_terms import document_terms_stage
from pipelines.documents import dropped_stage
from pipelines.near_duplicates import near_duplicates_stage
from pipelines.phrases import joined_sentences_stage, phrases_stage
from pipelines.sentences import sentences_stage
from pipelines.sequences import sequences_stage
from pipelines.session import one_task_per_file, spark_session
from pipelines.sources import explained_read_errors, list_sources
from pipelines.store import Stage, provide, writable_folder
from pipelines.subwords import subwords_stage
from pipelines.unigram import unigram_stage
from pipelines.vocabulary import vocabulary_stage


def prepare(spark: SparkSession, settings: Settings) -> Snapshot:
    """Make every table that training needs, or that is asked for; what is there already and unchanged is kept.

    Returns:
        The snapshot, committed: its ``snapshot.json`` is written last.

    Raises:
        ConfigError: if the settings name no corpus.
        CorpusError: if the text is missing, unreadable, or leaves nothing to train on.
        SetupError: if the snapshot's folder cannot be written, or is being pruned.
        SnapshotError: if a table of an earlier run is damaged.
    """
    if settings.corpus is None:
        raise ConfigError("corpus is missing: prepare needs corpus.paths, the files to read")
    location = writable_folder(settings.snapshot_location)
    with held(location, f"embtrain prepare {settings.name}"):
        return _make_tables(spark, settings, settings.corpus, location)


def prepare_snapshot(settings: Settings) -> Snapshot:
    """Start Spark, or take what spark-submit started, and :func:`prepare`.

    Raises:
        EmbtrainError: if Spark cannot be started, or ``prepare`` raises one.
        TerminatedError: if the process is told to end.
    """
    told_to_end = TerminatedError("told to end (SIGTERM); start it again, and it goes on after its finished stages")
    app = f"embtrain prepare {settings.name}"
    with heeded(told_to_end), spark_session(settings.spark, app=app) as spark:
        return prepare(spark, settings)


def _make_tables(spark: SparkSession, settings: Settings, corpus: CorpusSettings, location: Location) -> Snapshot:
    partitions = settings.spark.partitions
    tables_session = one_task_per_file(spark)
    with explained_read_errors():
        sources = list_sources(spark, corpus)
        similar = None
        if corpus.near_duplicates:
            similar = provide(location, near_duplicates_stage(spark, sources, corpus, partitions))
        sentences = provide(
            location, sentences_stage(spark, sources, corpus, near_duplicates=similar, partitions=partitions)
        )
        dropped = provide(
            location,
            dropped_stage(spark, sources, corpus, sentences.manifest, near_duplicates=similar, partitions=partitions),
        )
    phrases = None
    if settings.phrases.passes:
        phrases = provide(location, phrases_stage(tables_session, sentences, settings.phrases))
        sentences = provide(location, joined_sentences_stage(tables_session, sentences, phrases))
    vocabulary = provide(location, vocabulary_stage(tables_session, sentences, settings.vocabulary))
    unigram = provide(location, unigram_stage(tables_session, vocabulary, settings.unigram))
    sequences = provide(location, sequences_stage(tables_session, SEQUENCES, sentences, vocabulary))
    held_out = provide(location, sequences_stage(tables_session, HELD_OUT, sentences, vocabulary))
    further: dict[FurtherTable, Callable[[], Stage]] = {
        "subwords": lambda: subwords_stage(tables_session, vocabulary, settings.subwords),
        "characters": lambda: characters_stage(tables_session, vocabulary),
        "document_terms": lambda: document_terms_stage(
            spark, sources, corpus, phrases, vocabulary, near_duplicates=similar, partitions=partitions
        ),
        "cooccurrence": lambda: cooccurrence_stage(
            tables_session, sequences, vocabulary, settings.cooccurrence, partitions
        ),
    }
    with explained_read_errors():
        asked_for = [provide(location, further[name]()) for name in settings.further_tables]
    stored = (similar, sentences, dropped, phrases, vocabulary, unigram, sequences, held_out, *asked_for)
    snapshot = Snapshot(location, {table.table.name: table.folder_name for table in stored if table})
    snapshot.commit()
    return snapshot

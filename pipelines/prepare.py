"""Corpus to snapshot: the chain of the stages.

::

    corpus files -> sentences -> vocabulary -> unigram
                         |            |
                         +------------+-> sequences, held_out
"""

from __future__ import annotations

import math

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from embtrain.config import CorpusSettings, Settings, VocabularySettings
from embtrain.errors import ConfigError, CorpusError
from embtrain.manifest import Manifest, Snapshot
from embtrain.schema import HELD_OUT, SENTENCES, SEQUENCES, UNIGRAM, VOCABULARY, Table
from embtrain.text import TextRules
from pipelines.sentences import build_sentences, tokenise_documents
from pipelines.sequences import encode_sentences
from pipelines.session import one_task_per_file
from pipelines.sources import describe, explained_read_errors, list_files, read_documents
from pipelines.store import Stage, StoredTable, provide, writable_folder
from pipelines.unigram import build_unigram
from pipelines.vocabulary import build_vocabulary, count_tokens

# A row group is what a rank of the training reads at once: at most 4 MB of ids, enough to read at full speed.
ROW_GROUP_TOKENS = 1_000_000

# Of every stage: its measures, options and columns.
_CODE = (__name__, "embtrain.schema")
_TEXT_CODE = tuple(f"embtrain.text.{module}" for module in ("rules", "boundaries", "normalise", "words"))


def prepare(spark: SparkSession, settings: Settings) -> Snapshot:
    """Make every table that training needs; what is there already and unchanged is kept.

    Returns:
        The snapshot, committed: its ``snapshot.json`` is written last.

    Raises:
        ConfigError: if the settings name no corpus.
        CorpusError: if the text is missing, unreadable, or leaves nothing to train on.
        SetupError: if the snapshot's folder cannot be written.
        SnapshotError: if a table of an earlier run is damaged.
    """
    if settings.corpus is None:
        raise ConfigError("corpus is missing: prepare needs corpus.paths, the files to read")
    location = writable_folder(settings.snapshot_location)
    tables_session = one_task_per_file(spark)
    with explained_read_errors():
        sentences = provide(location, _sentences_stage(spark, settings.corpus, settings.spark.partitions))
    vocabulary = provide(location, _vocabulary_stage(tables_session, sentences, settings.vocabulary))
    unigram = provide(location, _unigram_stage(tables_session, vocabulary, settings))
    sequences = provide(location, _sequences_stage(tables_session, SEQUENCES, sentences, vocabulary))
    held_out = provide(location, _sequences_stage(tables_session, HELD_OUT, sentences, vocabulary))
    stored = (sentences, vocabulary, unigram, sequences, held_out)
    snapshot = Snapshot(location, {table.table.name: table.folder_name for table in stored})
    snapshot.commit()
    return snapshot


def _sentences_stage(spark: SparkSession, corpus: CorpusSettings, partitions: int) -> Stage:
    files = list_files(spark, corpus.paths)
    rules = TextRules(
        language=corpus.language,
        tokenizer=corpus.tokenizer,
        lowercase=corpus.lowercase,
        split_sentences=corpus.split_sentences,
        max_sentence_tokens=corpus.max_sentence_tokens,
    )
    read, split, kept = Observation(), Observation(), Observation()

    def build() -> DataFrame:
        documents = read_documents(spark, files, corpus).observe(
            read,
            F.count(F.lit(1)).alias("documents"),
            F.count_if(~F.is_valid_utf8("text")).alias("documents_not_utf8"),
        )
        tokenised = tokenise_documents(documents, rules, paragraphs=corpus.format == "paragraphs")
        return build_sentences(
            tokenised.observe(split, F.count(F.lit(1)).alias("sentences")),
            deduplicate=corpus.deduplicate,
            held_out=corpus.held_out,
            partitions=partitions,
        ).observe(kept, F.count_if("held_out").alias("held_out"))

    def check(manifest: Manifest) -> None:
        if not manifest.rows:
            raise CorpusError(f"no word in {len(files)} files of the corpus {', '.join(corpus.paths)}")
        if manifest.measures["held_out"] == manifest.rows:
            raise CorpusError(
                f"corpus.held_out={corpus.held_out} keeps all {manifest.rows} sentences out of training; "
                "lower it, or add text"
            )

    return Stage(
        table=SENTENCES,
        build=build,
        settings={**corpus.model_dump(exclude={"paths"}), "partitions": partitions},
        code=(*_CODE, "pipelines.sources", "pipelines.sentences", *_TEXT_CODE),
        inputs={"files": describe(files)},
        observed=(read, split, kept),
        check=check,
        summary=_sentences_summary,
    )


def _sentences_summary(manifest: Manifest) -> str:
    measures = manifest.measures
    damaged = measures["documents_not_utf8"]
    return (
        f"read {measures['documents']:,} documents"
        + (f" ({damaged:,} with bytes that are not UTF-8, replaced)" if damaged else "")
        + f": {measures['sentences']:,} sentences; dropped {measures['sentences'] - manifest.rows:,} duplicates; "
        f"kept {manifest.rows:,} with {manifest.tokens:,} tokens, {measures['held_out']:,} of them held out"
    )


def _vocabulary_stage(spark: SparkSession, sentences: StoredTable, settings: VocabularySettings) -> Stage:
    counted = Observation()

    def build() -> DataFrame:
        counts = count_tokens(sentences.frame(spark)).observe(
            counted,
            F.count(F.lit(1)).alias("distinct_tokens"),
            F.sum("count").alias("tokens"),
            F.max("count").alias("highest_count"),
        )
        return build_vocabulary(counts, min_count=settings.min_count, max_size=settings.max_size)

    def check(manifest: Manifest) -> None:
        if not manifest.rows:
            raise CorpusError(
                f"no word occurs {settings.min_count} times (vocabulary.min_count); "
                f"the most frequent occurs {manifest.measures['highest_count']} times: lower it, or add text"
            )

    return Stage(
        table=VOCABULARY,
        build=build,
        settings=settings.model_dump(),
        code=(*_CODE, "pipelines.vocabulary"),
        inputs={"sentences": sentences.manifest.fingerprint},
        observed=(counted,),
        check=check,
        summary=lambda manifest: (
            f"read {manifest.measures['tokens']:,} tokens: {manifest.measures['distinct_tokens']:,} distinct; "
            f"kept {manifest.rows:,}"
        ),
    )


def _unigram_stage(spark: SparkSession, vocabulary: StoredTable, settings: Settings) -> Stage:
    options = settings.unigram.model_dump()
    return Stage(
        table=UNIGRAM,
        build=lambda: build_unigram(vocabulary.frame(spark), **options),
        settings=options,
        code=(*_CODE, "pipelines.unigram"),
        inputs={"vocabulary": vocabulary.manifest.fingerprint},
    )


def _sequences_stage(spark: SparkSession, table: Table, sentences: StoredTable, vocabulary: StoredTable) -> Stage:
    held_out = table is HELD_OUT

    def check(manifest: Manifest) -> None:
        if not manifest.rows and not held_out:
            raise CorpusError("no sentence has two words of the vocabulary; lower vocabulary.min_count, or add text")

    return Stage(
        table=table,
        build=lambda: encode_sentences(sentences.frame(spark), _tokens_by_id(vocabulary), held_out=held_out),
        settings={"row_group_tokens": ROW_GROUP_TOKENS},
        code=(*_CODE, "pipelines.sequences"),
        inputs={"sentences": sentences.manifest.fingerprint, "vocabulary": vocabulary.manifest.fingerprint},
        options={"parquet.block.row.count.limit": _row_group_rows(sentences.manifest, held_out=held_out)},
        check=check,
        summary=lambda manifest: f"kept {manifest.rows:,} sentences with {manifest.tokens:,} tokens",
    )


def _row_group_rows(sentences: Manifest, *, held_out: bool) -> int:
    """Cut the longest file in equal row groups: in each round of the training every rank reads one, and waits for all.

    Estimated from the sentences before they are encoded. What encoding drops makes the last group of a file shorter.
    """
    held_out_share = sentences.measures["held_out"] / sentences.rows
    share: float = held_out_share if held_out else 1 - held_out_share
    longest = max(sum(part.row_groups) for part in sentences.parts)
    groups = math.ceil(longest * share * (sentences.tokens or 0) / sentences.rows / ROW_GROUP_TOKENS)
    # Which file a sentence that is held out falls to is chance: three standard deviations leave no tail of a few rows.
    rows = longest * share + 3 * math.sqrt(longest * share * (1 - share))
    return max(1, math.ceil(rows / max(1, groups)))


def _tokens_by_id(vocabulary: StoredTable) -> pa.Array:
    """Read the one column of the snapshot that the driver holds: the tokens."""
    folder = vocabulary.folder
    paths = [info.path for info in folder.files()]
    return pq.read_table(paths, columns=["token"], filesystem=folder.filesystem)["token"].combine_chunks()

"""Settings of a run: what each is called, its default, its unit and its bounds.

This is the one place where defaults live, with its parts for models and for single tables. A run file under
``conf/`` says only what differs from them; ``embtrain.settings`` reads it.
"""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from embtrain.classifier_settings import ClassifySettings
from embtrain.elmo_settings import ElmoArchitecture, ElmoSettings
from embtrain.model_settings import (
    CbowSettings,
    FactorisedModel,
    FastTextSettings,
    GloveSettings,
    LsaSettings,
    ModelSettings,
    PpmiSvdSettings,
    SampledModel,
    SgnsSettings,
    TrainedModel,
    WindowedModel,
)
from embtrain.section import Count, Fraction, Integer, Number, Section, Similarity
from embtrain.table_settings import (
    CooccurrenceSettings,
    PhrasesSettings,
    SubwordSettings,
    UnigramSettings,
    VocabularySettings,
)
from embtrain.text import TextRules
from embtrain.text.morphemes import DEFAULT_PARTS_OF_SPEECH, PartOfSpeech

__all__ = [
    "CbowSettings",
    "ClassifySettings",
    "CooccurrenceSettings",
    "CorpusSettings",
    "ElmoArchitecture",
    "ElmoSettings",
    "EvaluateSettings",
    "FactorisedModel",
    "FastTextSettings",
    "FurtherTable",
    "GloveSettings",
    "LsaSettings",
    "ModelSettings",
    "PhrasesSettings",
    "PpmiSvdSettings",
    "SampledModel",
    "Section",
    "Settings",
    "SgnsSettings",
    "SparkSettings",
    "SubwordSettings",
    "TrackSettings",
    "TrainSettings",
    "TrainedModel",
    "UnigramSettings",
    "VocabularySettings",
    "WindowedModel",
]

# Tables that not every model needs.
FurtherTable = Literal["subwords", "characters", "document_terms", "cooccurrence"]


class CorpusSettings(Section):
    """Which text to read, and how it becomes sentences of tokens."""

    paths: list[str] = Field(min_length=1)
    """Files, folders or globs, on any file system that Spark reaches; with `format: table`, names of Spark tables."""
    format: Literal["lines", "paragraphs", "json", "csv", "tsv", "parquet", "table", "wikipedia"] = "lines"
    """What a document is: a line, a paragraph (separated by blank lines), a line with a JSON object, a row,
    an article of a Wikipedia dump."""
    text_column: str = "text"
    """Which column holds the text, in formats that have columns."""
    max_document_bytes: Integer = Field(10_000_000, ge=1, le=1_000_000_000)
    """Longer documents (in bytes of UTF-8) are dropped, and listed in the table `dropped`."""
    language: Literal["en", "ko"] = "en"
    """Decides how sentences end and which characters belong to words."""
    tokenizer: Literal["words", "punctuated", "whitespace", "morphemes", "jamo"] = "words"
    """`words`: Unicode words without punctuation. `punctuated`: each punctuation mark is a token too. `whitespace`: for
    text that is tokenised already. For Korean also `morphemes`: words without particles and endings, by Kiwi; `jamo`:
    words with their syllables decomposed into letters."""
    parts_of_speech: tuple[PartOfSpeech, ...] = Field(DEFAULT_PARTS_OF_SPEECH, min_length=1)
    """What `morphemes` keeps, by Kiwi's tags. Not among the defaults: bound nouns (NNB), auxiliary verbs (VX), copulas
    (VCP, VCN), affixes (XPN, XSN, XSV, XSA, XSM), particles (J…) and endings (E…)."""
    lowercase: bool = True
    """False: *Python* and *python* are two words."""
    digits: Literal["keep", "zero", "spell"] = "keep"
    """`zero`: each digit becomes 0, so that *1984* and *2005* are *0000*. `spell`: each becomes an English word, as in
    text8."""
    urls: Literal["keep", "drop", "mark"] = "keep"
    """URLs and mail addresses. `keep`: they are tokenised like other text. `drop`: they are removed. `mark`: they
    become `<url>` and `<email>`."""
    split_sentences: bool = True
    """False: a document is one sentence, and windows cross its full stops."""
    min_sentence_tokens: Integer = Field(1, ge=1)
    """Sentences of fewer tokens are dropped."""
    max_sentence_tokens: Integer = Field(1000, ge=2)
    """Longer sentences are cut into pieces of this many tokens, as word2vec.c does. Windows end at the cuts, and a last
    piece of fewer than `min_sentence_tokens` is dropped."""
    max_token_characters: Integer = Field(100, ge=1, le=999)
    """Longer tokens, such as encoded files or gene sequences, are dropped. word2vec.c cuts them at 99 bytes."""
    deduplicate: bool = True
    """Of sentences with the same tokens, keep one."""
    near_duplicates: Similarity | None = None
    """Of documents that share about this part of their runs of five words (Jaccard similarity) or more, keep one: 0.8
    finds copies with small changes. None: keep all."""
    held_out: Fraction = 0.002
    """Share of the sentences, chosen by hash, that is kept out of training to measure the loss on."""

    @model_validator(mode="after")
    def _rules_agree(self) -> CorpusSettings:
        if self.language != "ko" and self.tokenizer in {"morphemes", "jamo"}:
            raise ValueError(f"corpus.tokenizer: {self.tokenizer} is for Korean; set corpus.language=ko")
        if self.language != "en" and self.digits == "spell":
            raise ValueError("corpus.digits: spell writes English words; choose keep or zero, or corpus.language=en")
        if self.min_sentence_tokens > self.max_sentence_tokens:
            raise ValueError(
                f"corpus.min_sentence_tokens ({self.min_sentence_tokens}) must not be above "
                f"corpus.max_sentence_tokens ({self.max_sentence_tokens})"
            )
        return self

    @property
    def text_rules(self) -> TextRules:
        """Return what of this decides how a text becomes tokens."""
        return TextRules(**{field.name: getattr(self, field.name) for field in fields(TextRules)})


class SparkSettings(Section):
    """The Spark session that embtrain starts. Under spark-submit, its own options win."""

    master: str = "local[*]"
    """Spark's master. The environment variable SPARK_MASTER wins over this."""
    driver_memory: str = "4g"
    """Memory of Spark's driver, which does all the work in local mode."""
    partitions: Integer = Field(8, ge=1)
    """Number of files per table. The same number gives the same files on every cluster."""


class TrainSettings(Section):
    """The training loop."""

    epochs: Integer = Field(5, ge=1)
    """Passes over the sequences; for `glove`, whose default is 25, over the co-occurrences."""
    final_learning_rate: Number = Field(1e-4, ge=0)
    """The learning rate falls linearly to this over all epochs. With `glove` it does not fall by default."""
    threads: Count | None = None
    """CPU threads per process. None: all cores, shared among the processes of a machine."""
    merge_words: Count | None = None
    """Words that each of several processes trains on between two merges with the others. None: 50,000 for each of its
    threads, and 200,000 on a GPU. `glove`, `elmo` and `parallel: columns`, whose processes do the same as one, need
    none."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto`: a GPU if torch finds one and the model can use it, else the CPU; the log says which. ELMo,
    `model.objective: softmax` and `embtrain classify` can use one; with triton installed also GloVe, FastText, and
    skip-gram and CBOW with negative sampling."""
    check_memory: bool = True
    """Refuse a training that would not fit into memory by the estimate of `embtrain plan`. False: only warn."""
    parallel: Literal["data", "columns"] = "data"
    """What several processes divide among them. `data`: the text; each process holds all vectors (ELMo: all weights).
    `columns`: the dimensions of every vector, for vectors that do not fit one machine or one GPU; for `fasttext`,
    `glove`, and `sgns` and `cbow` with negative sampling. The number of processes and threads then does not change
    the result."""
    start_from: str | None = None
    """Vectors from which their words start: a registered model, such as `models:/NAME@champion`, or a file. For
    `fasttext`, and for `sgns` and `cbow` with negative sampling. None: all words start at random."""
    seed: Integer = Field(1, ge=0, lt=2**63)
    """Seed of all random draws. On one CPU thread and process, the same seed gives the same vectors, bit for bit."""
    checkpoint: str | None = None
    """Folder for the state of an unfinished run, on a disk. None: `checkpoints/NAME`."""
    checkpoint_seconds: Number = Field(300, gt=0)
    """Time between checkpoints. An interrupted run continues from the last one."""
    stale_checkpoint: Literal["refuse", "discard"] = "refuse"
    """What to do with a checkpoint of another corpus, model or schedule. `refuse`: end before training. `discard`:
    delete it. `embtrain run` always deletes one that differs by the corpus alone."""

    @field_validator("checkpoint")
    @classmethod
    def _is_on_a_disk(cls, checkpoint: str | None) -> str | None:
        if checkpoint and "://" in checkpoint:
            raise ValueError(
                f"train.checkpoint: expected a folder's path, found {checkpoint!r}: checkpoints are kept on disks; "
                "name a folder on one that outlives this machine, such as a mounted volume"
            )
        return checkpoint

    def words_between_merges(self, threads: int, device: str = "cpu") -> int:
        """Return what `merge_words` says to a process of so many threads, or of a GPU."""
        return self.merge_words or (200_000 if device == "cuda" else 50_000 * threads)


class EvaluateSettings(Section):
    """Files that the finished vectors are measured on."""

    similarity: list[str] = Field([])
    """Files of word pairs with human scores: lines of `word<TAB>word<TAB>score`."""
    analogy: list[str] = Field([])
    """Files of questions like word2vec's questions-words.txt: `: section` lines, and lines of four words."""
    restrict_vocabulary: Integer = Field(30_000, ge=1)
    """Use only this many most frequent words to answer analogies and score word pairs."""


class TrackSettings(Section):
    """Where MLflow keeps runs and versions. The environment variable MLFLOW_TRACKING_URI wins over `uri`."""

    uri: str = "sqlite:///mlflow.db"
    """A database or server. The default keeps everything in mlflow.db and mlruns in the working directory."""
    experiment: str = "embtrain"
    """MLflow's experiment, which groups runs."""
    register_as: str | None = Field(None, pattern=r"^\w[^/:@']*$")
    """Name of the registered model. None: the run's `name`."""
    alias: str | None = Field("champion", pattern=r"^[\w-]+$", max_length=255)
    """Moved to the new version once it has been loaded back and asked for a vector. None: no alias moves, and
    `embtrain promote` does it when you say so."""

    @field_validator("alias")
    @classmethod
    def _not_of_mlflow(cls, alias: str | None) -> str | None:
        if alias and re.fullmatch(r"latest|v\d+", alias, re.IGNORECASE):
            raise ValueError(f"track.alias: MLflow keeps latest, v1, v2 and so on for itself, found {alias!r}")
        return alias


class Settings(Section):
    """Everything that a run depends on."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Names the run, its snapshot, its checkpoint and its registered model."""
    snapshot: str | None = None
    """Folder of the tables. None: `snapshots/NAME`."""
    tables: list[FurtherTable] = Field([])
    """Tables to prepare in addition to those that the model needs."""
    corpus: CorpusSettings | None = None
    phrases: PhrasesSettings = PhrasesSettings()
    vocabulary: VocabularySettings = VocabularySettings()
    unigram: UnigramSettings = UnigramSettings()
    subwords: SubwordSettings = SubwordSettings()
    cooccurrence: CooccurrenceSettings = CooccurrenceSettings()
    spark: SparkSettings = SparkSettings()
    model: ModelSettings = SgnsSettings()
    train: TrainSettings = TrainSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    classify: ClassifySettings = ClassifySettings()
    track: TrackSettings = TrackSettings()

    @model_validator(mode="before")
    @classmethod
    def _default_model(cls, values: Any) -> Any:
        """Let a run file say `model: {dim: 50}` without the type."""
        if isinstance(values, dict) and isinstance(values.get("model"), dict):
            return {**values, "model": {"type": SgnsSettings().type, **values["model"]}}
        return values

    @model_validator(mode="before")
    @classmethod
    def _default_training(cls, values: Any) -> Any:
        """Let GloVe go on for longer, at a rate that AdaGrad alone lowers, unless the run file says otherwise."""
        model, train = (values.get(key, {}) for key in ("model", "train")) if isinstance(values, dict) else ({}, {})
        if isinstance(model, GloveSettings):
            model = model.model_dump()
        if isinstance(train, TrainSettings):
            train = train.model_dump(exclude_unset=True)
        if not (isinstance(model, dict) and isinstance(train, dict) and model.get("type") == "glove"):
            return values
        rate = model.get("learning_rate", GloveSettings().learning_rate)
        return {**values, "train": {"epochs": 25, "final_learning_rate": rate, **train}}

    @model_validator(mode="after")
    def _learning_rate_falls(self) -> Settings:
        if isinstance(self.model, FactorisedModel):
            return self
        if self.train.final_learning_rate > self.model.learning_rate:
            raise ValueError(
                f"train.final_learning_rate ({self.train.final_learning_rate:g}) must not be above "
                f"model.learning_rate ({self.model.learning_rate:g})"
            )
        return self

    @model_validator(mode="after")
    def _columns_can_be_split(self) -> Settings:
        if self.train.parallel == "data":
            return self
        if isinstance(self.model, ElmoSettings | FactorisedModel):
            raise ValueError(
                f"train.parallel: columns is for model.type sgns, cbow, fasttext and glove, found {self.model.type}"
            )
        if isinstance(self.model, SgnsSettings | CbowSettings) and self.model.objective != "negative_sampling":
            raise ValueError(
                "train.parallel: columns is for model.objective negative_sampling, which has few scores to send, "
                f"found {self.model.objective}"
            )
        return self

    @model_validator(mode="after")
    def _start_can_be_used(self) -> Settings:
        samples = isinstance(self.model, FastTextSettings) or (
            isinstance(self.model, SgnsSettings | CbowSettings) and self.model.objective == "negative_sampling"
        )
        if self.train.start_from and not samples:
            raise ValueError(
                "train.start_from is for model.type fasttext, and for sgns and cbow with model.objective "
                f"negative_sampling, found {self.model.type}"
            )
        return self

    @property
    def further_tables(self) -> list[FurtherTable]:
        """Return the tables asked for, and those that the model needs, besides those of every snapshot."""
        needed: list[FurtherTable] = []
        if isinstance(self.model, GloveSettings | PpmiSvdSettings):
            needed = ["cooccurrence"]
        elif isinstance(self.model, FastTextSettings):
            needed = ["subwords"]
        elif isinstance(self.model, ElmoSettings):
            needed = ["characters"]
        elif isinstance(self.model, LsaSettings):
            needed = ["document_terms"]
        return list(dict.fromkeys([*self.tables, *needed]))

    @property
    def snapshot_location(self) -> str:
        """Return the folder of the tables."""
        return self.snapshot or f"snapshots/{self.name}"

    @property
    def checkpoint_location(self) -> str:
        """Return the folder of the unfinished run's state."""
        return self.train.checkpoint or f"checkpoints/{self.name}"

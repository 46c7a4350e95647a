"""Tokenising on two cores, in Spark and by the tokeniser alone: how much of the time Spark adds.

`words` on English: both sides read a text file, take it apart and write the tokens as Parquet; the peer calls the same
functions in two plain processes. `morphemes` on Korean: the peer is Kiwi on sentences in memory, in two processes with
the same settings; ours is the whole stage `sentences`, from a text file to the table on disk. Starting processes, Spark
and Kiwi is not counted: a first pass over a little text does that, and in Spark one over all of it, since Java compiles
what runs often. Quality is the share of the tokens that the other side finds too. The line of `words` comes first,
that of `morphemes` last.
"""

from __future__ import annotations

import gzip
import shutil
import statistics
import time
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from harness import WORK, Result, arguments, data_file, finish, in_fresh_process, require, say

PROCESSES = 2
WARM_UP_DOCUMENTS = 50


@dataclass(frozen=True)
class Task:
    """What is taken apart, and how."""

    tokenizer: str
    language: str
    corpus: str
    documents: int
    peer: str


TASKS = (
    Task("words", "en", "corpora/enwiki-docs.txt.gz", 200_000, "embtrain.text in two processes"),
    Task("morphemes", "ko", "corpora/kowiki-docs.txt.gz", 20_000, "Kiwi in two processes"),
)


@dataclass(frozen=True)
class Pass:
    """How long one side took, and how many tokens it found."""

    seconds: float
    tokens: int


def main() -> None:
    """Run both sides of both tasks in turn."""
    options = arguments(str(__doc__).splitlines()[0], rounds=2)
    require("pyspark")
    require("kiwipiepy")
    for task in TASKS:
        text, little = sample(task)
        sides: dict[str, list[Pass]] = {"alone": [], "in Spark": []}
        for number in range(1, options.rounds + 1):
            sides["alone"].append(in_fresh_process(run_alone, task, text))
            sides["in Spark"].append(in_fresh_process(run_in_spark, task, text, little))
            for side, passes in sides.items():
                told = (
                    f"round {number}  {task.tokenizer} {side}: {passes[-1].seconds:.1f} s, {passes[-1].tokens:,} tokens"
                )
                say(told, quiet=options.json)
        finish(compare(task, sides["in Spark"], sides["alone"]))


def sample(task: Task) -> tuple[Path, Path]:
    """Return two files with a document a line: the text, and a little of it."""
    folder = WORK / "tokenise"
    folder.mkdir(parents=True, exist_ok=True)
    with gzip.open(data_file(task.corpus), "rt", encoding="utf-8") as lines:
        documents = [line for line in lines if line.strip()][: task.documents]
    paths = folder / f"{task.language}.txt", folder / f"{task.language}-little.txt"
    for path, number in zip(paths, (task.documents, WARM_UP_DOCUMENTS), strict=True):
        path.write_text("".join(documents[:number]), encoding="utf-8")
    return paths


def compare(task: Task, ours: list[Pass], peer: list[Pass]) -> Result:
    """Return the medians as tokens of our kind per second, on both sides."""
    tokens = ours[0].tokens
    speeds = [tokens / statistics.median(p.seconds for p in passes) for passes in (ours, peer)]
    agreement = 100 * min(tokens, peer[0].tokens) / max(tokens, peer[0].tokens)
    return Result(
        name="tokenise",
        unit=f"tokens/s, {task.tokenizer}",
        ours=speeds[0],
        peer=speeds[1],
        peer_name=task.peer,
        ratio=speeds[0] / speeds[1],
        quality={"ours": {"tokens_that_agree": agreement}, "peer": {"tokens_that_agree": agreement}},
    )


# --- the tokeniser alone -------------------------------------------------------------------------------------------


def run_alone(task: Task, text: Path) -> Pass:
    """Give each process a half of the documents; time from when all are ready until the last is done."""
    context = get_context("spawn")
    ready, results = context.Barrier(PROCESSES), context.SimpleQueue()
    work = analyse_alone if task.tokenizer == "morphemes" else tokenise_alone
    processes = [context.Process(target=work, args=(text, part, ready, results)) for part in range(PROCESSES)]
    for process in processes:
        process.start()
    started, ended, tokens = zip(*(results.get() for _ in processes), strict=True)
    for process in processes:
        process.join()
    return Pass(max(ended) - min(started), sum(tokens))


def tokenise_alone(text: Path, part: int, ready: Any, results: Any) -> None:
    """Take half of the documents apart, from the text file to a Parquet file."""
    from embtrain.text import TextRules, measured_sentences

    measured_sentences(pa.array(["A start."]), TextRules())
    ready.wait()
    started = time.time()
    documents = pa.array(text.read_text("utf-8").split("\n")[part::PROCESSES])
    measured = measured_sentences(documents, TextRules())
    pq.write_table(pa.table(measured).select(["tokenised"]), text.with_suffix(f".{part}.parquet"), compression="zstd")
    ended = time.time()
    results.put((started, ended, sum(measured["num_tokens"].to_pylist())))


def analyse_alone(text: Path, part: int, ready: Any, results: Any) -> None:
    """Analyse half of the sentences by Kiwi, with the options that embtrain gives it."""
    from kiwipiepy import Kiwi, Match

    from embtrain.text import TextRules, sentences
    from embtrain.text.morphemes import DEFAULT_PARTS_OF_SPEECH

    as_they_are = TextRules(language="ko", tokenizer="whitespace", lowercase=False)
    split = sentences(pa.array(text.read_text("utf-8").split("\n")), as_they_are).to_pylist()[part::PROCESSES]
    kiwi = Kiwi(num_workers=1, load_multi_dict=False)
    kiwi.tokenize("")
    ready.wait()
    started = time.time()
    analysed = list(kiwi.tokenize(split, match_options=Match.EMOJI, compatible_jamo=True))
    ended = time.time()
    kept = sum(token.tag.partition("-")[0] in DEFAULT_PARTS_OF_SPEECH for tokens in analysed for token in tokens)
    results.put((started, ended, kept))


# --- in Spark ------------------------------------------------------------------------------------------------------


def run_in_spark(task: Task, text: Path, little: Path) -> Pass:
    """Take the little text apart, then all of it, and then, timed, all of it again."""
    from embtrain.config import SparkSettings
    from pipelines.session import spark_session

    work = prepare_sentences if task.tokenizer == "morphemes" else tokenise_in_spark
    folder = WORK / "tokenise" / "spark"
    shutil.rmtree(folder, ignore_errors=True)
    settings = SparkSettings(master=f"local[{PROCESSES}]", partitions=8)
    with spark_session(settings, app="bench_tokenise") as spark:
        spark.sparkContext.setLogLevel("ERROR")
        work(spark, little, folder / "little")
        work(spark, text, folder / "first")
        started = time.perf_counter()
        tokens = work(spark, text, folder / "all")
        return Pass(time.perf_counter() - started, tokens())


def tokenise_in_spark(spark: Any, text: Path, folder: Path) -> Any:
    """Take documents apart, from the text file to Parquet; return a function that counts the tokens."""
    from pyspark.sql import functions as F

    from embtrain.text import TextRules
    from pipelines.sentences import tokenise_documents

    documents = spark.read.text(str(text)).select(F.col("value").alias("text"))
    tokenised = tokenise_documents(documents, TextRules())
    tokenised.select("tokenised").write.option("compression", "zstd").parquet(str(folder))
    return lambda: tokenised.agg(F.sum("num_tokens")).first()[0]


def prepare_sentences(spark: Any, text: Path, folder: Path) -> Any:
    """Make the table of sentences; return a function that tells how many tokens it holds."""
    from embtrain.config import CorpusSettings
    from pipelines.sentences import sentences_stage
    from pipelines.sources import list_sources
    from pipelines.store import provide, writable_folder

    corpus = CorpusSettings(paths=[str(text)], language="ko", tokenizer="morphemes", deduplicate=False)
    stage = sentences_stage(spark, list_sources(spark, corpus), corpus, near_duplicates=None, partitions=8)
    stored = provide(writable_folder(str(folder)), stage)
    return lambda: stored.manifest.tokens


if __name__ == "__main__":
    main()

"""Text to ids on two cores: embtrain's stages, and the same job as one would write it with Spark's own parts.

Both read one compressed file, take it apart to words, drop duplicates, count, give ids, and write each table as
Parquet. Starting the session is not counted. Each runs in a process of its own, twice: the second pass, when Java
has compiled what it runs, is the figure; the first is printed too. Quality is the share of the vocabulary's counts
that agree with Python's own Counter.
"""

from __future__ import annotations

import gzip
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
from harness import WORK, Result, arguments, data_file, finish, in_fresh_process, require, say

MIN_COUNT = 5
PARTITIONS = 8
PASSES = 2


def main() -> None:
    """Run both, ours first."""
    options = arguments(str(__doc__).splitlines()[0])
    corpus = data_file("corpora/enwiki-100m.txt.gz")
    require("pyspark")
    expected = count_plainly(corpus)
    words = expected.total()
    ours = measure(run_embtrain, corpus, "embtrain", words, expected, quiet=options.json)
    peer = measure(run_spark_ml, corpus, "Spark ML", words, expected, quiet=options.json)
    finish(
        Result(
            name="prepare",
            unit="words/s, text to sequences, second pass",
            ours=ours["words_per_second"],
            peer=peer["words_per_second"],
            peer_name="Spark ML's RegexTokenizer, DataFrame counts and join",
            ratio=ours["words_per_second"] / peer["words_per_second"],
            quality={
                "ours": {"counts_that_agree": ours["quality"]},
                "peer": {"counts_that_agree": peer["quality"]},
            },
        )
    )


def count_plainly(corpus: Path) -> Counter[str]:
    """Count the words of a text of a-z and blanks."""
    counts: Counter[str] = Counter()
    with gzip.open(corpus, "rt", encoding="ascii") as lines:
        for line in lines:
            counts.update(line.split())
    return counts


def measure(
    run: Callable[..., Any], corpus: Path, name: str, words: int, expected: Counter[str], *, quiet: bool
) -> dict[str, float]:
    """Run one of the two; return its speed in the last pass and the quality of its counts."""
    folder = WORK / "prepare"
    shutil.rmtree(folder, ignore_errors=True)
    seconds, vocabulary = in_fresh_process(run, corpus, folder)
    speeds = [words / taken for taken in seconds]
    say(f"{name}: first {speeds[0]:,.0f} words/s, then {speeds[-1]:,.0f} words/s", quiet=quiet)
    wanted = {word: count for word, count in expected.items() if count >= MIN_COUNT}
    agreeing = sum(vocabulary.get(word) == count for word, count in wanted.items())
    return {"words_per_second": speeds[-1], "quality": 100 * agreeing / max(len(wanted), len(vocabulary))}


def run_embtrain(corpus: Path, folder: Path) -> tuple[list[float], dict[str, int]]:
    """Return the seconds of each pass, and the vocabulary's counts."""
    from embtrain.config import Settings, SparkSettings
    from pipelines.prepare import prepare
    from pipelines.session import spark_session

    def one_pass(location: Path) -> str:
        settings = Settings(
            name="bench",
            snapshot=str(location),
            # All sentences are counted, as the peer does.
            corpus={"paths": [str(corpus)], "held_out": 0},  # type: ignore[arg-type]
            vocabulary={"min_count": MIN_COUNT},  # type: ignore[arg-type]
            spark={"partitions": PARTITIONS},  # type: ignore[arg-type]
        )
        snapshot = prepare(spark, settings)
        return str(location / snapshot.tables["vocabulary"])

    session = spark_session(SparkSettings(master="local[2]", partitions=PARTITIONS), app="bench_prepare")
    with session as spark:
        spark.sparkContext.setLogLevel("ERROR")
        return time_passes(one_pass, folder)


def run_spark_ml(corpus: Path, folder: Path) -> tuple[list[float], dict[str, int]]:
    """Do the same job with Spark ML's tokeniser and DataFrames; return as :func:`run_embtrain` does."""
    from pyspark.ml.feature import RegexTokenizer
    from pyspark.sql import SparkSession, Window
    from pyspark.sql import functions as F

    from pipelines.java import provide_java

    def one_pass(location: Path) -> str:
        tokenizer = RegexTokenizer(inputCol="value", outputCol="tokens", pattern=r"[^\p{L}\p{N}']+")
        lines = spark.read.text(str(corpus)).repartition(PARTITIONS)
        sentences = tokenizer.transform(lines).select("tokens").dropDuplicates(["tokens"])
        sentences.write.parquet(f"{location}/sentences")
        sentences = spark.read.parquet(f"{location}/sentences")

        counts = sentences.select(F.explode("tokens").alias("token")).groupBy("token").count()
        order = Window.orderBy(F.desc("count"), "token")
        vocabulary = counts.filter(F.col("count") >= MIN_COUNT).withColumn("id", F.row_number().over(order) - 1)
        vocabulary.write.parquet(f"{location}/vocabulary")
        vocabulary = spark.read.parquet(f"{location}/vocabulary")

        numbered = sentences.withColumn("sentence", F.monotonically_increasing_id())
        tokens = numbered.select("sentence", F.posexplode("tokens").alias("position", "token"))
        encoded = tokens.join(F.broadcast(vocabulary.select("token", "id")), "token", "inner")
        ordered = encoded.groupBy("sentence").agg(
            F.sort_array(F.collect_list(F.struct("position", "id"))).alias("pairs")
        )
        ordered.select(F.col("pairs.id").alias("ids")).write.parquet(f"{location}/sequences")
        return f"{location}/vocabulary"

    provide_java()
    # Spark's own defaults, adaptive execution among them.
    builder = SparkSession.builder.master("local[2]").config("spark.driver.memory", "4g")
    with builder.config("spark.ui.enabled", "false").getOrCreate() as spark:
        spark.sparkContext.setLogLevel("ERROR")
        return time_passes(one_pass, folder)


def time_passes(one_pass: Callable[[Path], str], folder: Path) -> tuple[list[float], dict[str, int]]:
    """Run all passes, each into a folder of its own; read the vocabulary that the last one wrote."""
    seconds = []
    for number in range(PASSES):
        started = time.perf_counter()
        vocabulary = one_pass(folder / f"pass-{number}")
        seconds.append(time.perf_counter() - started)
    table = ds.dataset(vocabulary, format="parquet").to_table(columns=["token", "count"])
    return seconds, dict(zip(table["token"].to_pylist(), table["count"].to_pylist(), strict=True))


if __name__ == "__main__":
    main()

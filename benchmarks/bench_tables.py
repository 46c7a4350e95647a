"""Every table of English and Korean Wikipedia, at a quarter, half and all of the text: is the time linear?

Ours: all tables that a run file can ask for, on two cores. The peer makes one of them, the bags of words: gensim's
tokenizer, ``Dictionary`` and ``doc2bow``, written by ``MmCorpus``, in one process, on the whole text. The first pass,
in which Java compiles, does not count. Linearity is four times the time of a quarter, in percent of that of the whole.

What tasks send to the driver is bounded: Spark ends a step whose results pass ``spark.driver.maxResultSize``, here
16 MB. By how much the driver's Python grew is printed beside the size of the text.
"""

from __future__ import annotations

import gzip
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import harness
from harness import WORK, Result, arguments, data_file, finish, in_fresh_process, require, say

CORPORA = {"en": "enwiki-docs", "ko": "kowiki-docs"}
QUARTERS = (1, 1, 2, 4)
MIN_COUNT = 5
PARTITIONS = 8


def main() -> None:
    """Run ours on both corpora, then the peer."""
    options = arguments(str(__doc__).splitlines()[0])
    require("gensim")
    texts = {language: data_file(f"corpora/{name}.txt.gz") for language, name in CORPORA.items()}
    folder = WORK / "tables"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    ours, theirs, words, linearity = 0.0, 0.0, 0, {}
    for language, text in texts.items():
        paths = {quarters: cut(text, folder / f"{language}-{quarters}.txt", quarters) for quarters in set(QUARTERS)}
        seconds, tokens, grown = in_fresh_process(run_embtrain, language, paths, folder / language)
        for quarters, taken in seconds.items():
            say(f"{language} {quarters}/4 of the text: embtrain {taken:.1f} s, all tables", quiet=options.json)
        size = paths[4].stat().st_size / 1e6
        say(
            f"{language} the driver's Python grew by {grown / 1e6:.0f} MB; the text has {size:.1f} MB",
            quiet=options.json,
        )
        taken = in_fresh_process(run_gensim, paths[4], folder / f"{language}.mm")
        say(f"{language} 4/4 of the text: gensim {taken:.1f} s, bags of words", quiet=options.json)
        linearity[f"linearity_{language}"] = 100 * 4 * seconds[1] / seconds[4]
        ours, theirs, words = ours + seconds[4], theirs + taken, words + tokens
    finish(
        Result(
            name="tables",
            unit="words/s, text to all tables; the peer's: to bags of words",
            ours=words / ours,
            peer=words / theirs,
            peer_name="gensim's tokenizer, Dictionary, doc2bow and MmCorpus, one process",
            ratio=theirs / ours,
            quality={"ours": linearity, "peer": {}},
        )
    )


def cut(text: Path, to: Path, quarters: int) -> Path:
    """Write so many quarters of the articles, evenly chosen."""
    with to.open("wb") as out:
        for number, article in enumerate(articles(text)):
            if number % 4 < quarters:
                out.write(article + b"\n\n")
    return to


def articles(text: Path) -> Iterator[bytes]:
    """Yield what stands between empty lines."""
    opened = gzip.open if text.suffix == ".gz" else open
    with opened(text, "rb") as file:
        lines: list[bytes] = []
        for line in file:
            if line.strip():
                lines.append(line)
            elif lines:
                yield b"".join(lines).rstrip()
                lines = []
        if lines:
            yield b"".join(lines).rstrip()


def run_embtrain(language: str, paths: dict[int, Path], folder: Path) -> tuple[dict[int, float], int, float]:
    """Return the seconds for each share of the text, the tokens of the whole, and the bytes that the driver grew by."""
    os.environ["PYSPARK_SUBMIT_ARGS"] = "--conf spark.driver.maxResultSize=16m pyspark-shell"
    from embtrain.config import FurtherTable, Settings, SparkSettings
    from embtrain.schema import SENTENCES
    from pipelines.prepare import prepare
    from pipelines.session import spark_session

    seconds, tokens = {}, 0
    with spark_session(SparkSettings(master="local[2]", partitions=PARTITIONS), app="bench_tables") as spark:
        spark.sparkContext.setLogLevel("ERROR")
        with harness.peak_memory() as grown:
            for number, quarters in enumerate(QUARTERS):
                settings = Settings.model_validate(
                    {
                        "name": "bench",
                        "snapshot": str(folder / str(number)),
                        "corpus": {"paths": [str(paths[quarters])], "format": "paragraphs", "language": language},
                        "vocabulary": {"min_count": MIN_COUNT},
                        "spark": {"partitions": PARTITIONS},
                        "tables": get_args(FurtherTable),
                    }
                )
                started = time.perf_counter()
                snapshot = prepare(spark, settings)
                seconds[quarters] = time.perf_counter() - started
                tokens = snapshot.table(SENTENCES)[1].tokens or 0
            return seconds, tokens, grown()


def run_gensim(text: Path, to: Path) -> float:
    """Make the bags of words; return the seconds."""
    from gensim.corpora import Dictionary, MmCorpus
    from gensim.utils import tokenize

    def documents() -> Iterator[list[str]]:
        return (list(tokenize(article.decode(errors="replace"), lowercase=True)) for article in articles(text))

    started = time.perf_counter()
    dictionary = Dictionary(documents(), prune_at=None)
    dictionary.filter_extremes(no_below=MIN_COUNT, no_above=1, keep_n=None)
    MmCorpus.serialize(str(to), (dictionary.doc2bow(document) for document in documents()))
    return time.perf_counter() - started


if __name__ == "__main__":
    main()

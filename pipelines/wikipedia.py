"""Reader of Wikipedia's dumps: ``pages-articles`` XML, as it is or compressed.

A dump is cut at the end of each page, so that one ``.bz2`` file is read by all cores: it is made of blocks that can
be unpacked by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib.metadata import version
from xml.etree import ElementTree as ET

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from embtrain.config import CorpusSettings
from embtrain.errors import CorpusError
from pipelines.readers import read_records, spread

Batches = Iterator[pa.RecordBatch]

_COLUMNS = "text STRING, source STRING, malformed BOOLEAN"

_PAGE, _END_OF_PAGE, _NAMESPACE_OF_PAGE = "<page>", "</page>", "<ns>"

# Namespaces 6 and 14 hold files and categories; beside the names in its language, every Wikipedia knows the English.
_NAMESPACE = re.compile(r'<namespace key="(?:6|14)"[^>]*>([^<]+)</namespace>')
_ENGLISH_NAMES = ("file", "image", "category")


def read_articles(spark: SparkSession, paths: list[str], corpus: CorpusSettings) -> DataFrame:
    """Read the articles of dumps: pages of the main namespace that lead nowhere else.

    Raises:
        CorpusError: if a file does not begin as a dump does.
    """
    del corpus
    unread = sorted({name for path in paths for name in _unread_namespaces(spark, path)})
    records = read_records(spark, paths, _END_OF_PAGE).select(F.make_valid_utf8("text").alias("text"), "source")
    # Told in Java, before pages cross to Python: most are discussions, files and redirects. Their own "<" is escaped.
    article = _holds("<ns>0</ns>") & ~_holds("<redirect ")
    unknown = _holds(_PAGE) & ~_holds(_NAMESPACE_OF_PAGE)
    return spread(records.filter(article | unknown)).mapInArrow(_parser(unread), _COLUMNS)


def parser_version() -> str:
    """Return the version of the parser of wiki markup, on which the text of an article depends."""
    return f"mwparserfromhell {version('mwparserfromhell')}"


def _holds(mark: str) -> Column:
    return F.contains("text", F.lit(mark))


def _unread_namespaces(spark: SparkSession, path: str) -> list[str]:
    """Read the head of a dump, before its first page, for what it calls files and categories."""
    first = spark.read.text(path, lineSep=_PAGE).head()
    if first is None or "<mediawiki" not in first[0]:
        raise CorpusError(
            f"{path} is no Wikipedia dump; expected XML that begins with <mediawiki, as in pages-articles"
        )
    return [*_ENGLISH_NAMES, *(name.lower() for name in _NAMESPACE.findall(first[0]))]


def _parser(unread: list[str]) -> Callable[[Batches], Batches]:
    def parse_batches(batches: Batches) -> Batches:
        for batch in batches:
            texts = pa.array([_article(page.as_py(), unread) for page in batch["text"]], pa.string())
            malformed = pc.is_null(texts)
            shown = pc.if_else(malformed, batch["text"], texts)
            yield pa.record_batch({"text": shown, "source": batch["source"], "malformed": malformed})

    return parse_batches


def _article(record: str, unread: list[str]) -> str | None:
    """Return the text of a page, None if it cannot be read.

    Args:
        record: what stands before the end of the page; for the first page with the head of the dump.
        unread: see :func:`embtrain.text.wikitext.plain_text`.
    """
    from mwparserfromhell.parser import ParserError  # noqa: PLC0415 - an extra, wanted for this format only

    from embtrain.text.wikitext import plain_text  # noqa: PLC0415

    if _NAMESPACE_OF_PAGE not in record:
        return None
    try:
        # Without the head of the document, in which alone entities could be defined that grow without end.
        page = ET.fromstring(record[record.index(_PAGE) :] + _END_OF_PAGE)  # noqa: S314
        return plain_text(page.findtext("revision/text") or "", unread)
    except (ValueError, ET.ParseError, ParserError, RecursionError):
        return None

"""One reader a format: paths to rows of text, each with its source.

Every reader is called ``(spark, paths, corpus)``, the paths being literal ones, and returns

    ``text STRING``       what may be a document; null where a record has none
    ``source STRING``     the file's URI, or the table's name
    ``malformed BOOLEAN`` the record is not what the format asks for; ``text`` then shows it as it stands

Bytes that are no UTF-8 may still be in the text.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, StringType, StructField, StructType

from embtrain.config import CorpusSettings
from embtrain.errors import CorpusError
from pipelines.sources import text_in

# What can stand at either end of a document without being text.
WHITE_SPACE = " \t\r\n\f\v\u00a0\u3000\ufeff"

# An empty line, or one that looks so.
_PARAGRAPH_BREAK = r"\n[ \t\r]*\n"

# Lines in which a JSON file's columns are looked for.
_FIRST_LINES = 100


def is_blank(column: str) -> Column:
    """Tell whether a text is white space and nothing else."""
    # Of a text that is not, only the first character is looked at.
    return F.ltrim(column, F.lit(WHITE_SPACE)) == ""


def read_records(spark: SparkSession, paths: list[str], separator: str) -> DataFrame:
    """Read text files, decompressed as their names say, cut at a separator: ``text STRING, source STRING``."""
    return spark.read.text(paths, lineSep=separator).select(F.col("value").alias("text"), _file())


def spread(documents: DataFrame) -> DataFrame:
    """Spread documents by a hash of their text, where their files are too few to keep all cores at work."""
    parallelism = documents.sparkSession.sparkContext.defaultParallelism
    if documents.rdd.getNumPartitions() >= 2 * parallelism:
        return documents
    return documents.repartition(4 * parallelism, "text")


def read_lines(spark: SparkSession, paths: list[str], corpus: CorpusSettings) -> DataFrame:
    """Read a document from each line that is not blank."""
    del corpus
    return read_records(spark, paths, "\n").filter(~is_blank("text")).withColumn("malformed", F.lit(False))


def read_paragraphs(spark: SparkSession, paths: list[str], corpus: CorpusSettings) -> DataFrame:
    r"""Read what stands between blank lines.

    Spark knows fixed separators only: it cuts at two line feeds, and what it gives is cut again at lines
    that only look empty. A file whose lines end in ``\r\n`` so comes in one piece.
    """
    del corpus
    pieces = read_records(spark, paths, "\n\n")
    paragraphs = pieces.select(F.explode(F.split("text", _PARAGRAPH_BREAK)).alias("text"), "source")
    return paragraphs.filter(~is_blank("text")).withColumn("malformed", F.lit(False))


def read_json(spark: SparkSession, paths: list[str], corpus: CorpusSettings) -> DataFrame:
    """Read a JSON object from each line that is not blank; a text that is no string is taken as JSON spells it."""
    lines = read_records(spark, paths, "\n").filter(~is_blank("text"))
    _require_key(lines, corpus.text_column)
    # One byte that is no UTF-8 must not cost the whole record.
    lines = lines.withColumn("text", F.make_valid_utf8("text"))
    # Of a line Spark reads the first value and passes over the rest; as items of a list all of it counts.
    items = ArrayType(StructType([StructField(corpus.text_column, StringType())]))
    parsed = lines.withColumn("json", F.from_json(F.concat(F.lit("["), "text", F.lit("]")), items))
    only = F.get("json", F.lit(0))
    malformed = F.coalesce((F.size("json") != 1) | only.isNull(), F.lit(True))
    found = F.when(malformed, F.col("text")).otherwise(only.getField(corpus.text_column))
    return parsed.select(found.alias("text"), "source", malformed.alias("malformed"))


def read_csv(spark: SparkSession, paths: list[str], corpus: CorpusSettings) -> DataFrame:
    """Read comma-separated values as RFC 4180 has them: a header, quoted fields that may hold line ends."""
    # Quotes decide where a record ends, so that a file cannot be read from its middle.
    return _read_delimited(spark, paths, corpus, {"sep": ",", "escape": '"', "multiLine": True})


def read_tsv(spark: SparkSession, paths: list[str], corpus: CorpusSettings) -> DataFrame:
    """Read tab-separated values: a header, a record a line, and quotes that are text like all else."""
    return _read_delimited(spark, paths, corpus, {"sep": "\t", "quote": ""})


def read_parquet(spark: SparkSession, paths: list[str], corpus: CorpusSettings) -> DataFrame:
    """Read a column of Parquet files."""
    frame = spark.read.parquet(*paths)
    return _rows(frame, text_in(frame, corpus.text_column, "the Parquet files"), _file())


def read_tables(spark: SparkSession, names: list[str], corpus: CorpusSettings) -> DataFrame:
    """Read a column of tables that Spark's catalogue knows by name."""
    frames = [(name, spark.table(name)) for name in names]
    rows = [
        _rows(frame, text_in(frame, corpus.text_column, f"the table {name}"), F.lit(name)) for name, frame in frames
    ]
    return reduce(DataFrame.unionAll, rows)


def _file() -> Column:
    # Spark computes the column _metadata for every row also where nobody asks for it, and this one not.
    return F.input_file_name().alias("source")


def _rows(frame: DataFrame, text: Column, source: Column) -> DataFrame:
    return frame.select(text.alias("text"), source.alias("source"), F.lit(False).alias("malformed"))


def _read_delimited(
    spark: SparkSession, paths: list[str], corpus: CorpusSettings, options: dict[str, str | bool]
) -> DataFrame:
    def read(paths: list[str], **more: Any) -> DataFrame:
        return spark.read.options(**options).csv(paths, **more)

    headers = ((path, read([path], header=False).head()) for path in paths)
    first, header = next(((path, row) for path, row in headers if row), (paths[0], ()))
    titled = read([first], header=True)
    # A file with another header ends the run, rather than giving text from the wrong column. Not if Spark had to
    # rename columns, nameless or of the same name: it would take them for another header.
    renamed = list(header) != titled.columns
    frame = read(paths, header=True, schema=titled.schema, enforceSchema=renamed)
    where = f"the header of the {corpus.format.upper()} files"
    return _rows(frame, text_in(frame, corpus.text_column, where), _file())


def _require_key(lines: DataFrame, key: str) -> None:
    """Look for a column among the first lines, since later ones may do without it."""
    first = [row[0] for row in lines.select(F.json_object_keys("text")).take(_FIRST_LINES)]
    keys = {name for names in first for name in names or ()}
    if first and not keys:
        raise CorpusError(
            f"no JSON object in the first {len(first)} lines; expected one on each, as corpus.format says"
        )
    if first and key not in keys:
        raise CorpusError(
            f"no column {key!r} in the first {len(first)} lines of JSON; "
            f"set corpus.text_column to one of: {', '.join(sorted(keys))}"
        )

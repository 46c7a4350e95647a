"""Which documents a corpus holds, format by format, and which of them are dropped."""

import bz2
import gzip
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.testing import assertDataFrameEqual

from embtrain.config import CorpusSettings
from embtrain.errors import CorpusError
from embtrain.schema import DROPPED
from pipelines.documents import build_dropped, document_measures, drops, read_documents
from pipelines.sources import explained_read_errors, list_sources

pytestmark = pytest.mark.spark

COMPRESS = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".zst": lambda content: pa.compress(content, "zstd", asbytes=True),
}
CONTENTS = {
    "lines": b"one two\nthree\n",
    "paragraphs": b"one two\n\nthree\n",
    "json": b'{"text": "one two"}\n{"text": "three"}\n',
    "csv": b"id,text\n1,one two\n2,three\n",
    "tsv": b"id\ttext\n1\tone two\n2\tthree\n",
}
SHARED = Path(os.environ.get("EMBTRAIN_DATA", "../shared/data"))


@pytest.fixture
def read(spark, tmp_path):
    """Give a function that reads files, each a name and its bytes, as a corpus of a format."""

    def read(form, *contents, name="corpus", **options):
        for number, content in enumerate(contents):
            (tmp_path / f"{number}-{name}").write_bytes(content)
        return documents_of(spark, str(tmp_path), form, **options)

    return read


def documents_of(spark, path, form, **options):
    corpus = CorpusSettings(paths=[path], format=form, **options)
    return read_documents(spark, list_sources(spark, corpus), corpus)


def texts(documents):
    return sorted(row.text.removesuffix("\n") for row in documents.filter("reason IS NULL").collect())


def dropped(documents):
    return sorted((row.reason, row.excerpt) for row in drops(documents).collect())


def measured(documents):
    return {name.removeprefix("dropped: "): count for name, count in one_row(documents).items() if count}


def one_row(documents):
    return documents.agg(*document_measures()).first().asDict()


# --- formats -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", CONTENTS)
def test_each_text_format_is_read_from_each_compression(read, tmp_path, form):
    for suffix, compress in COMPRESS.items():
        (tmp_path / f"corpus{suffix}").write_bytes(compress(CONTENTS[form]))
    assert texts(read(form)) == ["one two"] * len(COMPRESS) + ["three"] * len(COMPRESS)


# Two ways in which Spark reads: line by line, and as a stream.
@pytest.mark.parametrize("form", ["lines", "csv"])
@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".zst"])
def test_a_compressed_file_cut_short_is_named(read, form, suffix):
    whole = COMPRESS[suffix](b"id,text\n" + b"".join(b"%d,%d\n" % (i, i * i % 9973) for i in range(20000)))
    with pytest.raises(CorpusError, match=rf"cannot read \S+/0-cut{suffix}: .*; repair or"), explained_read_errors():
        read(form, whole[: len(whole) // 2], name=f"cut{suffix}").collect()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_paragraphs_end_at_lines_that_look_empty(read, end):
    content = end.join(["one", "two", " \t", "three", "", "", "", "four", ""])
    assert [text.split() for text in texts(read("paragraphs", content.encode()))] == [
        ["four"],
        ["one", "two"],
        ["three"],
    ]


def test_blank_lines_are_no_documents(read):
    assert measured(read("lines", b"one\n\n \t\n\xe3\x80\x80\ntwo\n\n")) == {"documents": 2}


def test_a_json_text_may_hold_anything(read):
    values = ['line\nend "quoted" \\ \t', "한국어 🙂", " ", 7, {"a": [1]}]
    lines = "".join(json.dumps({"id": 1, "a.b`c": value}) + "\n" for value in values)
    expected = sorted(['line\nend "quoted" \\ \t', "한국어 🙂", "7", '{"a":[1]}'])
    assert texts(read("json", lines.encode(), text_column="a.b`c")) == expected


def test_json_lines_without_a_text_or_that_are_no_json_are_dropped_with_the_reason(read):
    documents = read("json", b'{"text": "one"}\n{"id": 2}\n{"text": null}\n{"text": "tw\n[1]\n\n')
    assert texts(documents) == ["one"]
    assert dropped(documents) == [
        ("malformed", "[1]"),
        ("malformed", '{"text": "tw'),
        ("no text", None),
        ("no text", None),
    ]


@pytest.mark.parametrize(
    "line",
    ['{"text": "two"}{"text": "three"}', '{"text": "two"} three', '{"text": "two"},', "null", '[{"text": "two"}]'],
)
def test_a_json_line_that_is_more_or_other_than_an_object_is_malformed(read, line):
    documents = read("json", b'{"text": "one"}\n' + line.encode() + b"\n")
    assert (texts(documents), dropped(documents)) == (["one"], [("malformed", line)])


def test_a_csv_field_may_hold_line_ends_commas_and_quotes(read):
    content = b'\xef\xbb\xbfid,text\r\n1,"one, ""two""\nthree"\r\n2,"a \\"\r\n'
    assert texts(read("csv", content)) == ["a \\", 'one, "two"\nthree']


def test_a_quote_in_tab_separated_values_is_text(read):
    content = '\ufefftext\tlabel\r\n"한 번\t1\r\nit\'s 6" \\t\t0\r\n'
    assert texts(read("tsv", content.encode())) == ['"한 번', "it's 6\" \\t"]


def test_a_csv_header_may_have_nameless_columns(read):
    content = b"v1,v2,,\nham,one,,\nspam,two,,\n"
    assert texts(read("csv", content, text_column="v2")) == ["one", "two"]


def test_a_row_that_is_too_short_has_no_text(read):
    documents = read("csv", b"id,text\n1\n2,two\n")
    assert (texts(documents), dropped(documents)) == (["two"], [("no text", None)])


@pytest.mark.parametrize(
    "content", [b"text,id\ntwo,2\n", b"text,id\ntwo is longer,2\n", b"text\ntwo\n", b"id,text,label\n2,two,longer\n"]
)
def test_a_csv_file_with_another_header_is_named_whatever_its_size(read, content):
    with (
        pytest.raises(CorpusError, match=r"cannot read \S+/1-corpus: .*CSV header"),
        explained_read_errors(),
    ):
        read("csv", b"id,text\n1,one\n", content).collect()


def test_an_empty_file_among_others_changes_nothing(read):
    assert texts(read("csv", b"", b"id,text\n1,one\n")) == ["one"]


def test_a_compressed_file_that_holds_nothing_changes_nothing(read):
    assert texts(read("csv", gzip.compress(b""), gzip.compress(b"id,text\n1,one\n"), name="csv.gz")) == ["one"]


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("json", "no column 'body' in the first 2 lines of JSON; set corpus.text_column to one of: text"),
        ("csv", "no column 'body' in the header of the CSV files; set corpus.text_column to one of: id, text"),
        ("tsv", "no column 'body' in the header of the TSV files; set corpus.text_column to one of: id, text"),
    ],
)
def test_a_missing_column_is_answered_with_those_there_are(read, form, message):
    with pytest.raises(CorpusError, match=message):
        read(form, CONTENTS[form], text_column="body")


def test_a_file_that_is_no_json_is_told_from_one_without_the_column(read):
    with pytest.raises(CorpusError, match="no JSON object in the first 3 lines; expected one on each"):
        read("json", b"[\n1\n]\n")


@pytest.fixture
def parquet(spark, tmp_path):
    """Give a function that writes columns to a Parquet file and reads it as a corpus."""

    def read(columns, **options):
        pq.write_table(pa.table(columns), tmp_path / "part.parquet")
        return documents_of(spark, str(tmp_path), "parquet", **options)

    return read


def test_a_parquet_column_is_read(parquet):
    documents = parquet({"a.b": ["one", None, "two"], "id": [1, 2, 3]}, text_column="a.b")
    assert (texts(documents), dropped(documents)) == (["one", "two"], [("no text", None)])


def test_bytes_of_a_parquet_column_are_text(parquet):
    assert texts(parquet({"text": pa.array([b"one"])})) == ["one"]


def test_a_parquet_column_of_another_type_is_refused(parquet):
    with pytest.raises(CorpusError, match="column 'text' of the Parquet files must hold text, found array<string>"):
        parquet({"text": [["one"]]})


def test_a_parquet_file_cut_short_is_named(spark, tmp_path):
    path = tmp_path / "cut.parquet"
    pq.write_table(pa.table({"text": ["one"]}), path)
    os.truncate(path, path.stat().st_size - 10)
    with pytest.raises(CorpusError, match=r"cannot read \S+/cut\.parquet: .*; repair or"), explained_read_errors():
        documents_of(spark, str(path), "parquet")


def test_tables_are_read_by_name(spark):
    spark.createDataFrame([("one",), (None,)], "text STRING").createOrReplaceTempView("documents_test")
    documents = documents_of(spark, "documents_test", "table")
    assertDataFrameEqual(
        documents,
        spark.createDataFrame(
            [("one", "documents_test", None), (None, "documents_test", "no text")],
            "text STRING, source STRING, reason STRING",
        ),
    )
    spark.catalog.dropTempView("documents_test")


# --- what is dropped -----------------------------------------------------------------------------------------------


def test_bytes_that_are_not_utf8_are_replaced_and_counted(read):
    for form in ("lines", "paragraphs", "json", "csv", "tsv"):
        documents = read(form, CONTENTS[form].replace(b"two", b"tw\xe9"))
        assert texts(documents) == ["one tw\ufffd", "three"]
        assert measured(documents) == {"documents": 2, "documents_not_utf8": 1}


def test_a_document_of_more_bytes_than_the_bound_is_dropped(read):
    documents = read("lines", "한국\n한국어\n".encode(), max_document_bytes=6)
    assert texts(documents) == ["한국"]
    assert measured(documents) == {"documents": 2, "too long": 1}


def test_a_line_of_50_mb_is_dropped_and_the_others_are_kept(read):
    documents = read("lines", b"one\n" + b"word " * 10_000_000 + b"\ntwo\n")
    assert texts(documents) == ["one", "two"]
    assert dropped(documents) == [("too long", ("word " * 40))]


def test_of_a_dropped_document_only_the_beginning_is_kept(read):
    assert [len(row.text) for row in read("lines", b"word " * 100, max_document_bytes=400).collect()] == [200]


def test_what_is_dropped_is_listed_with_reason_source_and_an_excerpt(read, spark, tmp_path):
    documents = read("lines", "é".encode() * 300, name="a b.txt", max_document_bytes=10)
    rows = [("too long", f"file://{tmp_path}/0-a%20b.txt", "é" * 200)]
    assertDataFrameEqual(drops(documents), spark.createDataFrame(rows, DROPPED.spark_ddl))


def test_drops_of_several_steps_lie_in_one_order_whatever_the_partitions(spark):
    rows = [(reason, f"file:{i}", str(i)) for i in range(20) for reason in ("too long", "near duplicate")]
    frames = [spark.createDataFrame(part, DROPPED.spark_ddl) for part in (rows[:7], rows[7:], rows[::-1])]

    def files(*dropped):
        return build_dropped(*dropped, partitions=3).rdd.glom().collect()

    assert files(frames[0], frames[1]) == files(frames[2].repartition(5))


# --- real text -----------------------------------------------------------------------------------------------------


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.exists(), reason="no corpora in EMBTRAIN_DATA")
@pytest.mark.parametrize(
    ("file", "form", "column", "expected"),
    [
        ("sms/spam.csv", "csv", "v2", {"documents": 5572, "documents_not_utf8": 480}),
        ("corpora/nsmc-test.tsv.gz", "tsv", "document", {"documents": 50000, "no text": 3}),
    ],
)
def test_real_tables_of_text_are_read_whole(spark, file, form, column, expected):
    assert measured(documents_of(spark, str(SHARED / file), form, text_column=column)) == expected

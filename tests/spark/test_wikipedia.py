"""Dumps of Wikipedia: which of their pages are articles, read by as many tasks as there are."""

import bz2
import random
from xml.sax.saxutils import escape

import pytest

from embtrain.config import CorpusSettings
from embtrain.errors import CorpusError, SetupError
from pipelines import sources, wikipedia
from pipelines.documents import document_inputs, read_documents
from pipelines.sources import list_sources

pytestmark = pytest.mark.spark

HEAD = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" xml:lang="ko">
  <siteinfo>
    <namespaces>
      <namespace key="0" case="first-letter" />
      <namespace key="6" case="first-letter">파일</namespace>
      <namespace key="14" case="first-letter">분류</namespace>
    </namespaces>
  </siteinfo>
"""


def page(text, *, namespace=0, more=""):
    return f"""  <page>
    <title>A title</title>
    <ns>{namespace}</ns>
    {more}
    <revision>
      <text xml:space="preserve">{escape(text)}</text>
    </revision>
  </page>
"""


@pytest.fixture
def read(spark, tmp_path):
    """Give a function that reads pages as a dump, compressed in small blocks."""

    def read(*pages, head=HEAD, end="</mediawiki>\n"):
        path = tmp_path / "pages-articles.xml.bz2"
        path.write_bytes(bz2.compress((head + "".join(pages) + end).encode(), compresslevel=1))
        corpus = CorpusSettings(paths=[str(path)], format="wikipedia")
        return read_documents(spark, list_sources(spark, corpus), corpus)

    return read


def rows(documents):
    return sorted((row.text, row.reason) for row in documents.collect())


def test_articles_are_read_as_text(read):
    markup = """'''고양이'''는 [[동물|동물]]이다. a < b &nbsp;[[파일:고양이.jpg|섬네일]]

== 이름 ==
[[분류:고양이]][[Category:x]]"""
    assert rows(read(page(markup))) == [("고양이는 동물이다. a < b \xa0\n\n 이름 \n", None)]


def test_discussions_and_redirects_are_no_documents(read):
    redirect = page("#REDIRECT [[one]]", more='<redirect title="one" />')
    assert rows(read(page("one"), page("talk", namespace=1), redirect)) == [("one", None)]


def test_an_article_may_quote_the_marks_by_which_others_are_told(read):
    text = '<redirect title="x"/> </page> <ns>1</ns> two'
    assert [reason for _, reason in rows(read(page(f"<nowiki>{text}</nowiki>"), page("one")))] == [None, None]


def test_an_article_without_text_and_a_broken_page_are_dropped_with_the_reason(read):
    documents = read(page("{{x}}"), page("one"), page("two").replace("</revision>", ""))
    assert sorted(str(reason) for _, reason in rows(documents)) == ["None", "malformed", "no text"]


def test_a_page_that_is_cut_off_is_dropped_with_the_reason(read):
    documents = read(page("one"), page("two").partition("</revision>")[0], end="")
    assert [reason for _, reason in rows(documents)] == ["malformed", None]


def test_a_page_that_does_not_say_its_namespace_is_dropped_with_the_reason(read):
    assert [reason for _, reason in rows(read(page("one"), page("two").replace("<ns>0</ns>", "")))] == [
        "malformed",
        None,
    ]


def test_another_version_of_the_parser_gives_other_documents(monkeypatch):
    corpus = CorpusSettings(paths=["dump.xml"], format="wikipedia")
    before = document_inputs([], corpus)
    monkeypatch.setattr(wikipedia, "version", lambda _: "another")
    assert document_inputs([], corpus) != before


def test_every_page_of_a_compressed_file_is_read_once_however_many_tasks_read_it(read, spark):
    letters = random.Random(0)
    texts = [f"{i} " + "".join(letters.choices("abcdefghijklmnop", k=9000)) for i in range(100)]
    spark.conf.set("spark.sql.files.maxPartitionBytes", 40_000)
    spark.conf.set("spark.sql.files.openCostInBytes", 0)
    documents = read(*map(page, texts))
    try:
        tasks = documents.rdd.getNumPartitions()
        found = rows(documents)
    finally:
        spark.conf.unset("spark.sql.files.maxPartitionBytes")
        spark.conf.unset("spark.sql.files.openCostInBytes")
    assert tasks > 8
    assert found == sorted((text, None) for text in texts)


def test_a_file_that_is_no_dump_is_named(read):
    with pytest.raises(CorpusError, match=r"pages-articles\.xml\.bz2 is no Wikipedia dump"):
        read(head="<html>")


def test_a_missing_parser_is_answered_with_how_to_install_it(read, monkeypatch):
    monkeypatch.setattr(sources, "find_spec", lambda _: None)
    with pytest.raises(SetupError, match=r"pip install 'embtrain\[wikipedia\]'"):
        read(page("one"))

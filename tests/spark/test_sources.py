"""Which files and tables a corpus is."""

from pathlib import Path

import pytest

from embtrain.config import CorpusSettings
from embtrain.errors import CorpusError
from pipelines.sources import list_files, list_sources

pytestmark = pytest.mark.spark


def names(spark, *paths):
    return [Path(file.path).name for file in list_files(spark, [str(path) for path in paths])]


@pytest.fixture
def folder(tmp_path):
    for name in ("b.txt", "a.txt", ".hidden.txt", "_SUCCESS", "below/c.txt", "_temporary/d.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text\n")
    return tmp_path


def test_a_folder_stands_for_all_files_below_it_but_hidden_ones(spark, folder):
    assert names(spark, folder) == ["a.txt", "b.txt", "c.txt"]


def test_a_glob_stands_for_what_it_matches(spark, folder):
    assert names(spark, folder / "[a-b].txt") == ["a.txt", "b.txt"]


def test_a_file_that_is_named_twice_is_read_once(spark, folder):
    assert names(spark, folder / "a.txt", folder / "*.txt") == ["a.txt", "b.txt"]


def test_one_missing_path_among_others_is_named(spark, folder):
    with pytest.raises(CorpusError, match=r"no corpus at .*absent\.txt"):
        names(spark, folder / "a.txt", folder / "absent.txt")


def test_a_files_size_and_time_are_known(spark, folder):
    (file,) = list_files(spark, [str(folder / "a.txt")])
    assert (file.bytes, file.modified) == (5, int((folder / "a.txt").stat().st_mtime * 1000))


def test_a_folder_without_a_file_is_named(spark, tmp_path):
    (tmp_path / "below").mkdir()
    with pytest.raises(CorpusError, match=f"no files in {tmp_path}; names that begin with"):
        names(spark, tmp_path)


@pytest.mark.parametrize("name", ["text.ZIP", "text.tar.gz", "text.tar.zst", "text.br", "text.parquet"])
def test_a_file_that_spark_would_misread_as_text_is_named(spark, tmp_path, name):
    (tmp_path / name).write_text("text\n")
    with pytest.raises(CorpusError, match=rf"{name} is not text; unpack it"):
        list_sources(spark, CorpusSettings(paths=[str(tmp_path)]))


# --- tables --------------------------------------------------------------------------------------------------------


@pytest.fixture
def table(spark):
    """Give a function that replaces the table ``source_test`` by one of the given texts."""

    def replace(*texts, column="text"):
        spark.createDataFrame([(text,) for text in texts], f"{column} STRING").createOrReplaceTempView("source_test")

    yield replace
    spark.catalog.dropTempView("source_test")


def of_table(spark, name="source_test", **options):
    (source,) = list_sources(spark, CorpusSettings(paths=[name], format="table", **options))
    return source


def test_a_table_is_the_same_whatever_its_order(spark, table):
    table("a", "b", None)
    before = of_table(spark)
    table(None, "b", "a")
    assert of_table(spark) == before
    assert before.rows == 3


@pytest.mark.parametrize("texts", [("a", "c", "c"), ("a", "a", "a"), ("a", "b"), ("a", "b", "b", None)])
def test_a_table_with_other_texts_counts_as_changed(spark, table, texts):
    table("a", "b", "b")
    before = of_table(spark)
    table(*texts)
    assert of_table(spark) != before


def test_a_table_that_spark_does_not_know_is_named_beside_those_it_knows(spark, table):
    table("a")
    with pytest.raises(CorpusError, match=r"no table 'absent' .*there are: .*source_test"):
        of_table(spark, "absent")


def test_an_empty_table_is_refused(spark, table):
    table()
    with pytest.raises(CorpusError, match="source_test is empty"):
        of_table(spark)


def test_a_table_without_the_column_is_answered_with_those_it_has(spark, table):
    table("a", column="body")
    with pytest.raises(CorpusError, match=r"no column 'text' in the table source_test; .*to one of: body"):
        of_table(spark)

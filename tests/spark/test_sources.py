"""Which files a corpus is, and which documents they hold."""

import gzip
from pathlib import Path

import pytest

from embtrain.config import CorpusSettings
from embtrain.errors import CorpusError
from pipelines.sources import list_files, read_documents

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


@pytest.mark.parametrize(
    ("form", "documents"), [("lines", ["one", "two", "three"]), ("paragraphs", ["one\ntwo", "three\n"])]
)
def test_documents_end_where_the_format_says(spark, tmp_path, form, documents):
    path = tmp_path / "text.txt.gz"
    path.write_bytes(gzip.compress(b"one\ntwo\n\n\n\nthree\n"))
    frame = read_documents(spark, list_files(spark, [str(path)]), CorpusSettings(paths=[str(path)], format=form))
    assert sorted(row.text for row in frame.collect()) == sorted(documents)


@pytest.mark.parametrize("name", ["notes [draft] 2.txt", "a{b,c}.txt", "what?*.txt", "back\\slash.txt", "100%25 é.txt"])
def test_a_file_in_a_folder_is_read_whatever_its_name(spark, tmp_path, name):
    (tmp_path / name).write_text("text\n")
    files = list_files(spark, [str(tmp_path)])
    frame = read_documents(spark, files, CorpusSettings(paths=[str(tmp_path)]))
    assert [row.text for row in frame.collect()] == ["text"]

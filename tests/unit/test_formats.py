"""Files of vectors: what is written is read again bit for bit, by gensim too; what is damaged is refused."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gensim.models import KeyedVectors
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from embtrain import formats
from embtrain.errors import FormatError
from embtrain.formats.files import finished, writing
from embtrain.vectors import Vectors

SHARED = Path(os.environ.get("EMBTRAIN_DATA", "../shared/data")) / "fixtures" / "word2vec"

BLANKS = "\t\n\v\f\r "
PLAIN_WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=BLANKS), min_size=1, max_size=8)
ANY_WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
TEXTS = ("word2vec", "word2vec-binary", "glove")


@st.composite
def vectors_of(draw, words):
    names = draw(st.lists(words, min_size=1, max_size=6, unique=True))
    matrix = draw(arrays(np.float32, (len(names), draw(st.integers(1, 4))), elements=FLOATS))
    counts = draw(st.none() | st.lists(st.integers(0, 2**62), min_size=len(names), max_size=len(names)))
    return Vectors(names, matrix, counts and sorted(counts, reverse=True))


@pytest.fixture
def vectors():
    return Vectors(["the", "서울", "naïve"], np.array([[1, -0.5], [1e-7, 0.1], [3e38, -0.0]], np.float32), [9, 5, 5])


def assert_same(found, expected):
    assert found.index_to_key == expected.index_to_key
    assert found.matrix.tobytes() == expected.matrix.tobytes()
    assert found.matrix.shape == expected.matrix.shape


@pytest.mark.parametrize("name", TEXTS)
@given(vectors=vectors_of(PLAIN_WORDS))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_other_tools_formats_keep_words_and_every_bit_of_the_numbers(vectors, name, tmp_path):
    formats.write(vectors, tmp_path / "vectors", name)
    assert_same(formats.read(tmp_path / "vectors", name), vectors)


@pytest.mark.parametrize("name", ["parquet", "safetensors"])
@given(vectors=vectors_of(ANY_WORDS))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_our_formats_keep_counts_and_any_word_too(vectors, name, tmp_path_factory):
    path = tmp_path_factory.mktemp("formats") / "vectors"
    formats.write(vectors, path, name)
    found = formats.read(path, name)
    assert_same(found, vectors)
    assert (found.counts is None) == (vectors.counts is None)
    assert found.counts is None or found.counts.tolist() == vectors.counts.tolist()


@pytest.mark.parametrize("name", formats.FORMATS)
def test_the_format_is_told_by_the_content(vectors, tmp_path, name):
    formats.write(vectors, tmp_path / "vectors", name)
    assert_same(formats.read(tmp_path / "vectors"), vectors)


@pytest.mark.parametrize("name", TEXTS)
def test_a_name_that_ends_in_gz_makes_a_compressed_file(vectors, tmp_path, name):
    path = tmp_path / "vectors.gz"
    formats.write(vectors, path, name)
    assert gzip.decompress(path.read_bytes())
    assert_same(formats.read(path.rename(tmp_path / "renamed")), vectors)


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_gensim_reads_what_is_written(vectors, tmp_path, binary, suffix):
    path = tmp_path / f"vectors{suffix}"
    formats.write(vectors, path, "word2vec-binary" if binary else "word2vec")
    theirs = KeyedVectors.load_word2vec_format(path, binary=binary)
    assert theirs.index_to_key == vectors.index_to_key
    assert theirs.vectors.tobytes() == vectors.matrix.tobytes()


@pytest.mark.parametrize("binary", [False, True])
def test_what_gensim_writes_is_read(vectors, tmp_path, binary):
    theirs = KeyedVectors(2)
    theirs.add_vectors(vectors.index_to_key, vectors.matrix)
    theirs.save_word2vec_format(tmp_path / "vectors", binary=binary)
    assert_same(formats.read(tmp_path / "vectors"), vectors)


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.exists(), reason="no fixtures in EMBTRAIN_DATA")
@pytest.mark.parametrize(
    ("name", "binary", "no_header"),
    [
        ("euclidean_vectors.bin", True, False),
        ("high_precision.kv.bin", True, False),
        ("high_precision.kv.txt", False, False),
        ("test_glove.txt", False, True),
    ],
)
def test_files_of_other_tools_are_read_as_gensim_reads_them(name, binary, no_header):
    theirs = KeyedVectors.load_word2vec_format(SHARED / name, binary=binary, no_header=no_header)
    found = formats.read(SHARED / name)
    assert found.index_to_key == theirs.index_to_key
    assert found.matrix.tobytes() == theirs.vectors.tobytes()


def test_a_blank_before_the_line_end_and_windows_line_ends_do_not_matter(tmp_path):
    (tmp_path / "blanks.vec").write_bytes(b"2 2\nthe 1 2 \nof 3 4 \n")
    (tmp_path / "windows.vec").write_bytes(b"2 2\r\nthe 1 2\r\nof 3 4\r\n")
    for path in tmp_path.iterdir():
        assert formats.read(path).matrix.tolist() == [[1, 2], [3, 4]]


def test_quotes_and_commas_are_ordinary_characters(tmp_path):
    (tmp_path / "quotes.vec").write_bytes(b'3 1\n"the 1\n, 2\nna 3\n')
    assert formats.read(tmp_path / "quotes.vec").index_to_key == ['"the', ",", "na"]


DAMAGED = [
    ("word2vec", b"", "expected a first line"),
    ("word2vec", b"the 1 2\n", "expected a first line"),
    ("word2vec", b"0 2\n", "expected a first line"),
    ("word2vec", b"3 2\nthe 1 2\nof 3 4\n", "has 2 words, but its first line says 3"),
    ("word2vec", b"999999999999999 2\nthe 1 2\n", "has 1 words, but its first line says 999999999999999"),
    ("word2vec", b"2 999999999\nthe 1 2\n", "expected a word and 999999999 numbers"),
    ("word2vec", b"2 2\nthe 1 2\nof 3\n", "Expected 3 columns, got 2"),
    ("word2vec", b"2 2\nthe 1 2\nNew York 3 4\n", "Expected 3 columns, got 4"),
    ("word2vec", b"2 2\nthe 1 2\nof 3 x\n", "invalid value 'x'"),
    ("word2vec", b"2 2\nthe 1 2\nof 3 nan\n", "NaN or infinity, the first that of 'of'"),
    ("word2vec", b"2 2\nthe 1 2\nthe 3 4\n", "2 words, but only 1 different"),
    ("word2vec", b"1 2\ncaf\xe9 1 2\n", "UTF8"),
    ("word2vec", gzip.compress(b"2 1\nthe 1\nof 2\n" * 9, mtime=0)[:-9], "cut short or damaged"),
    ("glove", b"", "expected a word and its numbers"),
    ("glove", b"the\nof\n", "expected a word and its numbers"),
    ("word2vec-binary", b"2 9\nthe \0\0\0\0\nof \0\0", "too few for the 2 words"),
    ("word2vec-binary", b"2 1\nthe \0\0\0\0\nmuch \0\0", "ends after 1 of 2 words"),
    ("word2vec-binary", b"1 1\nthe \0\0\0\0\nof \0\0", "goes on for 5 bytes"),
    ("word2vec-binary", b"999999999999999 999999999\nthe \0", "too few"),
    ("word2vec-binary", b"1 1\ncaf\xe9 \0\0\0\0\n", "utf-8"),
    ("word2vec-binary", gzip.compress(b"1 1\nthe \0\0\0\0\n" * 9, mtime=0)[:-9], "cut short or damaged"),
    ("parquet", b"PAR1", "Parquet"),
]


@pytest.mark.parametrize(("name", "content", "message"), DAMAGED)
def test_a_damaged_file_is_refused_in_one_sentence_that_names_it(tmp_path, name, content, message):
    path = tmp_path / "vectors"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message) as raised:
        formats.read(path, name)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"plain text\n", b"\0\1\2\3", b"\n\n"])
def test_a_file_in_no_known_format_is_refused_with_the_names_of_all(tmp_path, content):
    (tmp_path / "strange").write_bytes(content)
    with pytest.raises(FormatError, match="word2vec, word2vec-binary, glove, fasttext, parquet, safetensors"):
        formats.read(tmp_path / "strange")


def test_a_missing_file_and_an_unknown_format_are_refused(vectors, tmp_path):
    with pytest.raises(FormatError, match="there is no file or folder"):
        formats.read(tmp_path / "none.vec")
    with pytest.raises(FormatError, match="there is no format 'pickle'; known are word2vec,"):
        formats.write(vectors, tmp_path / "x", "pickle")


@pytest.mark.parametrize(("name", "word"), [(name, word) for name in TEXTS for word in ("New York", "", "a\nb")])
def test_a_word_that_a_format_cannot_hold_leaves_the_old_file_as_it_was(tmp_path, name, word):
    path = tmp_path / "vectors"
    path.write_text("old")
    with pytest.raises(FormatError, match="is empty or holds a blank"):
        formats.write(Vectors(["the", word], np.eye(2)), path, name)
    assert [entry.name for entry in tmp_path.iterdir()] == ["vectors"]
    assert path.read_text() == "old"


@pytest.mark.parametrize("name", formats.FORMATS)
def test_a_word_without_utf8_form_leaves_nothing_behind(tmp_path, name):
    with pytest.raises(FormatError, match="surrogates"):
        formats.write(Vectors(["the", "\ud800"], np.eye(2)), tmp_path / "vectors", name)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_does_not_exist_is_named(vectors, tmp_path):
    with pytest.raises(FormatError, match=f"there is no folder {tmp_path}/none"):
        formats.write(vectors, tmp_path / "none" / "vectors.vec", "word2vec")


@pytest.mark.parametrize("name", [*TEXTS, "parquet"])
def test_a_folder_where_a_file_shall_be_is_said_to_be_one_and_stays(vectors, tmp_path, name):
    (tmp_path / "there").mkdir()
    with pytest.raises(FormatError, match=f"^cannot write {tmp_path}/there: it is a folder; "):
        formats.write(vectors, tmp_path / "there", name)
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


def test_a_full_disk_is_told_in_one_sentence_and_leaves_nothing_behind(tmp_path):
    # The limit on the size of a file stands in for the end of the disk.
    program = """
import numpy, resource, signal, sys
from embtrain import formats
from embtrain.vectors import Vectors
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
vectors = Vectors([str(number) for number in range(100)], numpy.ones((100, 100)))
try:
    formats.write(vectors, sys.argv[1], "safetensors")
except formats.FormatError as error:
    print(error)
"""
    command = [sys.executable, "-c", program, str(tmp_path / "vectors")]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.startswith(f"cannot write {tmp_path}/vectors: ")
    assert ran.stdout.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640)])
def test_all_files_of_a_folder_may_be_read_by_whoever_may_read_new_files(vectors, tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        formats.write(vectors, tmp_path / "vectors", "safetensors")
    finally:
        os.umask(before)
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "vectors").iterdir()} == {mode}


def test_a_folder_of_vectors_is_never_overwritten(vectors, tmp_path):
    formats.write(vectors, tmp_path / "vectors", "safetensors")
    with pytest.raises(FormatError, match="exists already"):
        formats.write(vectors, tmp_path / "vectors", "safetensors")


@pytest.mark.parametrize("name", ["vectors.safetensors", "vocabulary.parquet", "metadata.json"])
def test_a_folder_with_a_file_missing_or_cut_short_is_refused(vectors, tmp_path, name):
    formats.write(vectors, tmp_path / "vectors", "safetensors")
    file = tmp_path / "vectors" / name
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(FormatError, match=name):
        formats.read(tmp_path / "vectors", "safetensors")
    file.unlink()
    with pytest.raises(FormatError, match=f"holds no {name}"):
        formats.read(tmp_path / "vectors", "safetensors")


def test_a_folder_whose_files_do_not_belong_together_is_refused(vectors, tmp_path):
    formats.write(vectors, tmp_path / "one", "safetensors")
    formats.write(Vectors(["the"], [[1, 2]]), tmp_path / "other", "safetensors")
    (tmp_path / "other" / "metadata.json").replace(tmp_path / "one" / "metadata.json")
    with pytest.raises(FormatError, match=r"\[1, 2\].*\[3, 2\]"):
        formats.read(tmp_path / "one")
    (tmp_path / "other" / "vocabulary.parquet").replace(tmp_path / "one" / "vocabulary.parquet")
    with pytest.raises(FormatError, match="1 words, but 3 vectors"):
        formats.read(tmp_path / "one")


@pytest.mark.parametrize("metadata", ["[]", '{"words": 3}', '{"words": "3", "dim": 2}', '{"words": 3, "dim": null}'])
def test_metadata_that_do_not_say_what_there_is_are_refused(vectors, tmp_path, metadata):
    formats.write(vectors, tmp_path / "vectors", "safetensors")
    (tmp_path / "vectors" / "metadata.json").write_text(metadata)
    with pytest.raises(FormatError, match=r"metadata\.json: expected the numbers of words and dim"):
        formats.read(tmp_path / "vectors")


@pytest.mark.parametrize("name", ["safetensors", "word2vec"])
def test_what_a_killed_run_left_a_day_ago_is_removed(vectors, tmp_path, name):
    left = tmp_path / ".vectors.0123.unfinished"
    left.mkdir() if name == "safetensors" else left.touch()
    os.utime(left, (0, 0))
    formats.write(vectors, tmp_path / "vectors", name)
    assert [path.name for path in tmp_path.iterdir()] == ["vectors"]


def test_of_two_that_write_a_file_at_once_each_writes_a_whole_one(tmp_path):
    path = tmp_path / "vectors.txt"
    with writing(path) as first:
        first.write(b"the first's ")
        with writing(path) as second:
            second.write(b"the second's\n")
        assert path.read_bytes() == b"the second's\n"
        first.write(b"words\n")
    assert path.read_bytes() == b"the first's words\n"


def test_of_two_that_write_a_folder_at_once_the_later_one_is_told(vectors, tmp_path):
    later = finished(tmp_path / "vectors")
    (later.__enter__() / "half").mkdir(parents=True)
    formats.write(vectors, tmp_path / "vectors", "safetensors")
    with pytest.raises(FormatError, match="another run has made a folder"):
        later.__exit__(None, None, None)
    assert [entry.name for entry in tmp_path.iterdir()] == ["vectors"]


def test_parquet_with_lists_of_double_and_without_counts_is_read(tmp_path):
    pq.write_table(pa.table({"vector": [[1.0, 2.0], [3.0, 4.0]], "word": ["a", "b"]}), tmp_path / "spark.parquet")
    found = formats.read(tmp_path / "spark.parquet")
    assert found.matrix.tolist() == [[1, 2], [3, 4]]
    assert found.counts is None


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"word": ["a"]}, "expected columns 'word' and 'vector'"),
        ({"word": ["a"], "vector": [1.0]}, "found word string, vector double"),
        ({"word": ["a", "b"], "vector": [[1.0], [1.0, 2.0]]}, "lengths from 1 to 2"),
        ({"word": ["a", "b"], "vector": [[1.0], None]}, "1 nulls"),
    ],
)
def test_parquet_that_holds_no_vectors_is_refused(tmp_path, columns, message):
    pq.write_table(pa.table(columns), tmp_path / "table.parquet")
    with pytest.raises(FormatError, match=message):
        formats.read(tmp_path / "table.parquet")


def test_reading_and_writing_need_neither_torch_nor_mlflow_nor_spark():
    program = (
        "import sys, embtrain.formats, embtrain.evaluation; print({'torch', 'mlflow', 'pyspark'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"

"""Subword vectors in a folder: exact, in half precision, and quantised."""

import json

import numpy as np
import pytest

from embtrain import formats
from embtrain.errors import FormatError
from embtrain.formats import safetensors_folder
from embtrain.quantised_rows import QuantisedRows, quantise
from embtrain.subword_vectors import Subwords, SubwordVectors
from embtrain.vectors import Vectors

RANDOM = np.random.default_rng(3)


@pytest.fixture
def vectors():
    return SubwordVectors(
        ["orange", "서울"],
        word_rows=RANDOM.standard_normal((2, 5), np.float32),
        bucket_ids=np.arange(0, 1000, 2),
        bucket_rows=RANDOM.standard_normal((500, 5), np.float32),
        subwords=Subwords(min_n=2, max_n=4, buckets=1000, units="jamo"),
        output_rows=RANDOM.standard_normal((2, 8), np.float32)[:, :5],
        counts=[7, 5],
    )


def in_a_folder(vectors, path, precision="full"):
    """Write vectors and read them again."""
    safetensors_folder.write(vectors, path, precision)
    return formats.read(path)


def test_a_folder_keeps_subword_vectors_to_the_last_bit(vectors, tmp_path):
    found = in_a_folder(vectors, tmp_path / "full")
    assert isinstance(found, SubwordVectors)
    assert found.index_to_key == vectors.index_to_key
    assert found.counts.tolist() == [7, 5]
    assert (found.subwords, found.pruned) == (vectors.subwords, False)
    for name in ("matrix", "word_rows", "bucket_ids", "bucket_rows", "output_rows"):
        assert getattr(found, name).tobytes() == getattr(vectors, name).tobytes()
    assert found["oranze"].tobytes() == vectors["oranze"].tobytes()


def test_half_precision_takes_half_the_space_and_changes_a_thousandth(vectors, tmp_path):
    found = in_a_folder(vectors, tmp_path / "half", "float16")
    assert found.bucket_rows.dtype == np.float16
    assert found.output_rows is None
    assert found[["서울", "oranze"]] == pytest.approx(vectors[["서울", "oranze"]], abs=1e-3)


def test_quantised_rows_take_a_byte_for_two_numbers_and_stay_near(vectors, tmp_path):
    found = in_a_folder(vectors, tmp_path / "quantised", "quantised")
    assert found.bucket_rows.codes.shape == (500, 3)
    for word in ("orange", "서울", "oranze"):
        cosine = np.dot(found[word], vectors[word]) / np.linalg.norm(found[word]) / np.linalg.norm(vectors[word])
        assert cosine > 0.99


def test_quantised_rows_are_written_again_as_they_are(vectors, tmp_path):
    once = in_a_folder(vectors, tmp_path / "once", "quantised")
    twice = in_a_folder(once, tmp_path / "twice")
    assert twice.bucket_rows.codes.tobytes() == once.bucket_rows.codes.tobytes()
    assert twice["oranze"].tobytes() == once["oranze"].tobytes()


def test_small_vectors_of_words_alone_are_read_as_single_precision(tmp_path):
    vectors = Vectors(["a", "b"], [[3, 4, 0], [0, 0.5, 1]])
    for precision in ("float16", "quantised"):
        found = in_a_folder(vectors, tmp_path / precision, precision)
        assert found.matrix.dtype == np.float32
        assert found.matrix == pytest.approx(vectors.matrix, abs=1e-3)


def test_numbers_beyond_half_precision_are_refused(tmp_path):
    with pytest.raises(FormatError, match="vectors are beyond 65504, the largest of float16"):
        safetensors_folder.write(Vectors(["a"], [[1e5]]), tmp_path / "half", "float16")
    assert not list(tmp_path.iterdir())


def test_256_directions_are_quantised_without_loss():
    angles = np.linspace(0, 6, 256, dtype=np.float32)
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1)[RANDOM.integers(0, 256, 5000)] * 7
    assert quantise(rows)[:] == pytest.approx(rows, abs=1e-5)


def test_quantised_rows_are_decoded_where_they_are_asked_for():
    rows = RANDOM.standard_normal((300, 7), np.float32)
    small = quantise(rows)
    assert small.shape == (300, 7)
    assert small[[3, 299]].tobytes() == small[:][[3, 299]].tobytes()
    assert np.linalg.norm(small[:] - rows) < 0.1 * np.linalg.norm(rows)


def test_no_rows_are_quantised_to_none():
    assert quantise(np.empty((0, 3), np.float32))[:].shape == (0, 3)


def test_the_same_rows_are_quantised_alike():
    rows = RANDOM.standard_normal((400, 4), np.float32)
    assert quantise(rows).codes.tobytes() == quantise(rows).codes.tobytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codes": np.zeros((3, 2))}, "expected codes .* uint8, found .* float64"),
        ({"codes": np.zeros((3, 4), np.uint8)}, "4 codes a row and centroids"),
        ({"dim": 5}, "make no vectors of 5 numbers"),
        ({"dim": 2}, "make no vectors of 2 numbers"),
        ({"lengths": np.ones(2)}, "3 rows, but lengths of shape"),
        ({"lengths": np.array([1, 2, np.nan])}, "NaN or infinity"),
    ],
)
def test_codes_that_do_not_fit_are_refused(changes, message):
    parts = {"codes": np.zeros((3, 2), np.uint8), "centroids": np.zeros((2, 256, 2)), "lengths": np.ones(3), "dim": 4}
    with pytest.raises(ValueError, match=message):
        QuantisedRows(**{**parts, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stride": 2}, "'stride': 2.*: those of another version"),
        ({"min_n": "3"}, "'min_n': '3'.*: those of another version"),
        ({"units": "letters"}, "units: expected syllables or jamo, found 'letters'"),
    ],
)
def test_metadata_of_another_version_are_refused(vectors, tmp_path, changes, message):
    safetensors_folder.write(vectors, tmp_path / "vectors")
    file = tmp_path / "vectors" / "metadata.json"
    metadata = json.loads(file.read_text())
    metadata["subwords"].update(changes)
    file.write_text(json.dumps(metadata))
    with pytest.raises(FormatError, match=message):
        formats.read(tmp_path / "vectors")

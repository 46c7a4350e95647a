"""Vectors of texts: means of the vectors of their words, tokenised as the corpus was."""

import unicodedata

import numpy as np
import pyarrow as pa
import pytest

import embtrain
from embtrain import formats
from embtrain.schema import PHRASES
from embtrain.subword_vectors import Subwords, SubwordVectors
from embtrain.text import TextRules, Tokeniser
from embtrain.vectors import Vectors

TEXTS = ["The cat sat! On New York.", "a dog", "", "새로운"]
RANDOM = np.random.default_rng(3)


def phrases(*pairs):
    rows = [{"first": first, "second": second, "count": 9, "score": 1.0, "pass": 1} for first, second in pairs]
    return pa.Table.from_pylist(rows, schema=PHRASES.arrow_schema)


@pytest.fixture
def vectors():
    vectors = Vectors(["the", "cat", "new_york", "york"], np.diag([1, 2, 4, 8]).astype(np.float32))
    vectors.tokeniser = Tokeniser(TextRules(), phrases(("new", "york")))
    return vectors


@pytest.fixture
def subword_vectors():
    return SubwordVectors(
        ["the", "cat", "새로운"],
        word_rows=RANDOM.standard_normal((3, 8), np.float32),
        bucket_ids=np.arange(50),
        bucket_rows=RANDOM.standard_normal((50, 8), np.float32),
        subwords=Subwords(min_n=2, max_n=4, buckets=50),
    )


def test_a_text_is_the_mean_of_its_known_words_phrases_joined(vectors):
    expected = np.array([[1 / 3, 2 / 3, 4 / 3, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]], np.float32)
    np.testing.assert_allclose(vectors.encode_texts(TEXTS), expected, rtol=1e-6)
    assert vectors.encode_texts([]).shape == (0, 4)


def test_a_word_counts_as_often_as_it_occurs(vectors):
    np.testing.assert_allclose(vectors.encode_texts(["cat, cat the"])[0], [1 / 3, 4 / 3, 0, 0], rtol=1e-6)


def test_without_a_tokeniser_texts_are_taken_apart_at_blanks(vectors):
    vectors.tokeniser = None
    np.testing.assert_array_equal(vectors.encode_texts(["the Cat york!", "york  the"]), [[1, 0, 0, 0], [0.5, 0, 0, 4]])


@pytest.mark.parametrize("precision", ["full", "float16"])
def test_the_tokeniser_is_kept_with_the_vectors(vectors, tmp_path, precision):
    formats.write(vectors, tmp_path / "kept", "safetensors", precision)
    again = embtrain.load(tmp_path / "kept")
    assert again.tokeniser == vectors.tokeniser
    np.testing.assert_array_equal(again.encode_texts(TEXTS), vectors.encode_texts(TEXTS))


def test_vectors_without_ngrams_that_nobody_reads_keep_their_tokeniser(subword_vectors):
    subword_vectors.tokeniser = Tokeniser(TextRules(lowercase=False))
    assert subword_vectors.trimmed().tokeniser is subword_vectors.tokeniser


def test_texts_have_the_vectors_that_fasttext_gives_sentences(subword_vectors, tmp_path):
    fasttext = pytest.importorskip("fasttext", reason="Facebook's package is not installed: pip install fasttext-wheel")
    formats.write(subword_vectors, tmp_path / "model.bin", "fasttext")
    theirs = fasttext.load_model(str(tmp_path / "model.bin"))
    texts = ["the cat sat", "새로운 the the", "", "unseen", "the x"]
    expected = [theirs.get_sentence_vector(text) for text in texts]
    np.testing.assert_allclose(subword_vectors.encode_texts(texts), expected, rtol=1e-4, atol=1e-6)


def test_words_of_texts_are_found_in_whichever_normal_form_they_are(subword_vectors):
    texts = ["새로운 대한민국"]
    decomposed = [unicodedata.normalize("NFD", text) for text in texts]
    np.testing.assert_array_equal(subword_vectors.encode_texts(decomposed), subword_vectors.encode_texts(texts))

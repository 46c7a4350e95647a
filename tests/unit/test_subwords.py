"""N-grams: the same buckets as Facebook's program, its Python port in gensim, and plain loops."""

import os
import tracemalloc
import unicodedata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from gensim.models import KeyedVectors
from gensim.models.fasttext_inner import compute_ngrams_bytes, ft_hash_bytes
from hypothesis import given
from hypothesis import strategies as st

import reference
from embtrain.text.jamo import decompose
from embtrain.text.subwords import subword_buckets

SHARED = Path(os.environ.get("EMBTRAIN_DATA", "../shared/data")) / "fixtures" / "fasttext"
WORDS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("<>/s가é😀"), max_size=12)


def buckets_of(*words, min_n=3, max_n=6, buckets=2_000_000, units="syllables"):
    array = pa.array(words, pa.string())
    return subword_buckets(array, min_n=min_n, max_n=max_n, buckets=buckets, units=units).to_pylist()


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("고양이", [29, 618, 892, 540, 614, 255]),  # <고양 <고양이 <고양이> 고양이 고양이> 양이>
        ("naïve", [890, 692, 190, 201, 546, 404, 43, 687, 832, 7, 331, 570, 548, 654]),
        ("<S>", [770, 52, 934, 266, 60, 662]),
    ],
)
def test_buckets_are_those_of_facebooks_program(word, expected):
    # As fastText 0.9.2 printed them, for a model with 1,000 buckets.
    assert buckets_of(word, buckets=1000) == [expected]


def test_an_ngram_that_occurs_twice_is_there_twice():
    (found,) = buckets_of("banana", min_n=3, max_n=3)
    assert found[2] == found[4]  # <ba ban ana nan ana na>


def test_a_mark_alone_is_no_ngram():
    a, longer = buckets_of("a", min_n=1, max_n=1), buckets_of("a", min_n=1, max_n=3)
    assert [len(found) for found in (*a, *longer)] == [1, 4]  # a; <a <a> a a>


def test_a_mark_within_a_word_is_a_character_like_others():
    assert [len(found) for found in buckets_of("<", ">", min_n=1, max_n=1)] == [1, 1]


def test_a_word_shorter_than_the_shortest_ngram_has_none():
    assert buckets_of("", "a", min_n=4, max_n=6) == [[], []]


def test_the_end_of_a_line_is_not_taken_apart():
    assert buckets_of("</s>", "s") == [[], *buckets_of("s")]


def test_no_words_have_no_ngrams():
    assert buckets_of() == buckets_of(units="jamo") == []


def test_the_ngrams_of_jamo_are_those_of_the_word_as_letters():
    assert buckets_of("가다", "갔다", "", units="jamo") == buckets_of("ㄱㅏ-ㄷㅏ-", "ㄱㅏㅆㄷㅏ-", "")


@given(st.lists(WORDS, max_size=6))
def test_jamo_of_many_words_are_those_of_each_alone(words):
    composed = [unicodedata.normalize("NFC", word) for word in words]
    assert buckets_of(*words, units="jamo") == [buckets_of(decompose(word))[0] for word in composed]


def test_jamo_are_the_same_in_every_normal_form():
    assert buckets_of(unicodedata.normalize("NFD", "갔다"), units="jamo") == buckets_of("갔다", units="jamo")


def test_ngrams_longer_than_every_word_take_no_memory():
    tracemalloc.start()
    found = buckets_of(*["abc"] * 1000, min_n=3, max_n=10_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found[0]) == 6
    assert peak < 10e6


def test_a_slice_gives_the_slice_only():
    words = pa.array(["one", "two", "three"])
    assert subword_buckets(words.slice(1, 1), min_n=3, max_n=6, buckets=100).to_pylist() == buckets_of(
        "two", buckets=100
    )


@given(st.lists(WORDS, max_size=6), st.integers(1, 4), st.integers(0, 4), st.integers(1, 2**31 - 1))
def test_buckets_match_the_reference(words, min_n, more, buckets):
    expected = [reference.subword_buckets(word, min_n, min_n + more, buckets) for word in words]
    assert buckets_of(*words, min_n=min_n, max_n=min_n + more, buckets=buckets) == expected


@given(WORDS.filter(lambda word: word != "</s>"))
def test_buckets_match_gensims(word):
    expected = [ft_hash_bytes(ngram) % 2_000_000 for ngram in compute_ngrams_bytes(word, 1, 6)]
    assert buckets_of(word, min_n=1) == [expected]


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.exists(), reason="no fixtures in EMBTRAIN_DATA")
def test_the_rows_of_its_buckets_make_up_the_vector_that_facebooks_program_wrote_for_a_word():
    from gensim.models.fasttext import load_facebook_vectors

    model = load_facebook_vectors(SHARED / "toy-model.bin")
    written = KeyedVectors.load_word2vec_format(SHARED / "toy-model.vec")
    words = [word for word in written.index_to_key if word != "</s>"]
    for word, found in zip(words, buckets_of(*words, buckets=model.bucket), strict=True):
        rows = np.vstack([model.vectors_vocab[model.key_to_index[word]], model.vectors_ngrams[found]])
        assert rows.mean(axis=0) == pytest.approx(written[word], abs=1e-5)

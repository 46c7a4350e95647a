"""Vectors of words seen and unseen: means of rows, and the same questions for both."""

import re
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import reference
from embtrain.errors import UnknownWordError
from embtrain.subword_vectors import Subwords, SubwordVectors

TRIGRAMS = Subwords(min_n=3, max_n=3, buckets=1000)


def bucket(ngram):
    """The bucket of an n-gram of TRIGRAMS."""
    return reference.fnv1a_of_signed_bytes(ngram) % TRIGRAMS.buckets


def trained_on(words, rows, ngrams, **options):
    """Vectors of words with these rows of their own, and n-grams with these rows."""
    by_bucket = sorted((bucket(ngram), row) for ngram, row in ngrams.items())
    return SubwordVectors(
        words,
        word_rows=np.array(rows, np.float32),
        bucket_ids=[index for index, _ in by_bucket],
        bucket_rows=np.array([row for _, row in by_bucket], np.float32).reshape(-1, len(rows[0])),
        **{"subwords": TRIGRAMS, **options},
    )


@pytest.fixture
def vectors():
    """The n-grams of "ab" are <ab and ab>, those of "cab" <ca, cab and ab>."""
    return trained_on(["ab", "cd"], [[3, 0], [0, 5]], {"<ab": [0, 3], "ab>": [0, 6], "<ca": [6, 0]}, counts=[2, 1])


def test_a_seen_word_is_the_mean_of_its_own_row_and_those_of_its_ngrams(vectors):
    assert vectors["ab"].tolist() == [1, 3]


def test_an_unseen_word_is_the_mean_of_its_ngrams_of_which_unseen_ones_count_as_zero(vectors):
    assert vectors["cab"].tolist() == [2, 2]


def test_a_pruned_model_leaves_ngrams_without_a_row_out_of_the_mean():
    pruned = trained_on(["ab", "cd"], [[3, 0], [0, 5]], {"ab>": [1, 6]}, pruned=True)
    assert pruned["cab"].tolist() == [1, 6]
    assert pruned[["ab", "cd"]].tolist() == [[2, 3], [0, 5]]


def test_several_words_seen_and_unseen_come_in_the_order_asked(vectors):
    assert vectors[["cab", "ab", "cab"]].tolist() == [[2, 2], [1, 3], [2, 2]]


def test_a_word_is_known_if_it_or_one_of_its_ngrams_was_seen(vectors):
    assert vectors.known(["ab", "cab", "xy", "", "\ud800"]).tolist() == [True, True, False, False, False]
    assert "cab" in vectors
    assert "xy" not in vectors
    assert 3 not in vectors
    assert "cab" not in vectors.key_to_index


def test_the_empty_word_is_not_made_of_its_marks():
    whole = Subwords(min_n=1, max_n=6, buckets=1)
    vectors = SubwordVectors(["ab"], word_rows=[[1]], bucket_ids=[0], bucket_rows=[[1]], subwords=whole)
    assert vectors.known(["", "x"]).tolist() == [False, True]


def test_a_word_without_any_known_part_is_told_so_with_the_closest_spelling(vectors):
    told = (
        r"'cx' is not among the 2 words .*, and none of its n-grams of 3 to 3 characters was seen; did you mean 'cd'\?"
    )
    for ask in (vectors.__getitem__, vectors.most_similar, vectors.nearest):
        with pytest.raises(UnknownWordError, match=told):
            ask(["ab", "cx"])


def test_an_unseen_word_has_no_row_of_its_own(vectors):
    with pytest.raises(UnknownWordError):
        vectors.index_of("cab")


def test_questions_about_unseen_words_are_those_about_their_vectors(vectors):
    assert vectors.similarity("cab", "cd") == pytest.approx(np.sqrt(0.5) * 5 / 5)
    assert vectors.most_similar("cab") == vectors.similar_by_vector(vectors["cab"])
    assert vectors.nearest(["cab", "ab"], topn=1) == [vectors.most_similar("cab", topn=1), vectors.most_similar("ab")]
    [(best, _)] = vectors.analogy("cab", "ab", "cab", topn=1)
    assert best == "cd"


def test_vectors_cannot_be_changed(vectors):
    for array in (vectors["ab"], vectors["cab"], vectors[["cab"]], vectors.word_rows, vectors.bucket_rows):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_half_precision_rows_give_single_precision_vectors():
    half = trained_on(["ab"], [[1, 2]], {"<ab": [3, 3]})
    rows = {"word_rows": half.word_rows.astype(np.float16), "bucket_rows": half.bucket_rows.astype(np.float16)}
    found = SubwordVectors(["ab"], bucket_ids=half.bucket_ids, subwords=TRIGRAMS, **rows)
    assert found.matrix.dtype == np.float32
    assert found.matrix.tolist() == half.matrix.tolist()


def test_with_jamo_words_of_other_syllables_share_their_letters():
    by_letters = Subwords(min_n=3, max_n=3, buckets=1000, units="jamo")
    [went] = by_letters.of(["갔다"]).to_pylist()
    [to_go] = by_letters.of(["가다"]).to_pylist()
    assert bucket("<ㄱㅏ") in went
    assert bucket("<ㄱㅏ") in to_go
    found = SubwordVectors(
        ["갔다"], word_rows=np.ones((1, 1)), bucket_ids=sorted(went), bucket_rows=np.ones((6, 1)), subwords=by_letters
    )
    assert "가다" in found


def test_bytes_that_are_no_utf8_are_left_whole_among_jamo():
    by_letters = Subwords(min_n=3, max_n=3, buckets=1000, units="jamo")
    odd = b"\xff".decode(errors="surrogateescape")
    before, after = by_letters.of(["가", odd + "가"]).to_pylist()
    assert set(before) - {bucket("<ㄱㅏ")} < set(after)
    assert by_letters.of([odd]).to_pylist() == TRIGRAMS.of([odd]).to_pylist()


@given(
    words=st.lists(st.text("abc가", min_size=1, max_size=5), min_size=1, max_size=5, unique=True),
    unseen=st.lists(st.text("abc가", min_size=1, max_size=7), max_size=4),
    present=st.sets(st.integers(0, 19), min_size=1),
    pruned=st.booleans(),
    numbers=arrays(np.float32, (25, 2), elements=st.integers(-9, 9)),
)
def test_vectors_match_the_reference(words, unseen, present, pruned, numbers):
    subwords = Subwords(min_n=1, max_n=3, buckets=20)
    buckets, own, rows = sorted(present), numbers[: len(words)], numbers[5 : 5 + len(present)]
    found = SubwordVectors(words, word_rows=own, bucket_ids=buckets, bucket_rows=rows, subwords=subwords, pruned=pruned)
    by_bucket = dict(zip(buckets, rows.tolist(), strict=True))
    for word in [*words, *unseen]:
        own_row = own[words.index(word)].tolist() if word in words else None
        expected = reference.subword_vector(word, own_row, by_bucket, (1, 3, 20), pruned)
        assert (word in found) == (expected is not None)
        assert expected is None or found[word] == pytest.approx(np.array(expected))


def test_a_long_list_is_added_up_piece_by_piece_to_the_same_sums(vectors, monkeypatch):
    words = ["cab", "ab", "abab", "cabab", "cd", "ab"]
    expected = vectors[words]
    monkeypatch.setattr("embtrain.subword_vectors._GATHERED_AT_A_TIME", 6)
    assert vectors[words] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"word_rows": np.ones((2, 2))}, "a row for each of 1 words, found an array of shape (2, 2)"),
        ({"bucket_rows": np.ones((2, 3))}, "bucket_rows: expected shape (2, 2), found (2, 3)"),
        ({"output_rows": np.ones((1, 1))}, "output_rows: expected shape (1, 2), found (1, 1)"),
        ({"bucket_ids": [4, 4]}, "buckets must be ascending and below 1000"),
        ({"bucket_ids": [4, 1000]}, "buckets must be ascending and below 1000"),
        ({"bucket_ids": [-1, 4]}, "buckets must be ascending and below 1000"),
        ({"bucket_rows": [[1, 2], [np.inf, 0]]}, "a row of an n-gram holds NaN"),
        ({"word_rows": [[1, np.nan]]}, "vectors hold NaN or infinity"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes, message):
    rows = {"word_rows": np.ones((1, 2)), "bucket_ids": [3, 4], "bucket_rows": np.ones((2, 2))}
    with pytest.raises(ValueError, match=re.escape(message)):
        SubwordVectors(["ab"], subwords=TRIGRAMS, **{**rows, **changes})


@pytest.mark.parametrize("units", ["syllables", "jamo"])
def test_a_word_has_the_same_vector_in_whichever_normal_form_it_was_typed(units):
    subwords = Subwords(min_n=1, max_n=3, buckets=1000, units=units)
    rows = np.random.default_rng(1).standard_normal((1000, 4), np.float32)
    vectors = SubwordVectors(
        ["한국"], word_rows=rows[:1], bucket_ids=np.arange(1000), bucket_rows=rows, subwords=subwords
    )
    for word in ("한국", "대한민국"):
        np.testing.assert_array_equal(vectors[unicodedata.normalize("NFD", word)], vectors[word])
    both = [unicodedata.normalize("NFD", "대한민국"), "대한민국"]
    np.testing.assert_array_equal(*vectors[both])
    assert vectors.known(both).all()


def test_a_string_of_nothing_that_was_seen_has_the_vector_of_a_bucket_that_it_shares():
    few = Subwords(min_n=3, max_n=3, buckets=1)
    vectors = SubwordVectors(["abc"], word_rows=[[1.0]], bucket_ids=[0], bucket_rows=[[4.0]], subwords=few)
    assert "中" in vectors
    assert vectors["中"].tolist() == [4]

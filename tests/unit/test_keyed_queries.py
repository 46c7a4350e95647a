"""gensim's further names: its answers, on five hundred random vectors."""

import numpy as np
import pytest
from gensim.models import KeyedVectors
from hypothesis import given
from hypothesis import strategies as st

import embtrain
from embtrain.errors import FormatError, UnknownWordError
from embtrain.subword_vectors import Subwords, SubwordVectors
from embtrain.vectors import Vectors

WORDS = [f"word{row}" for row in range(500)]
MATRIX = np.random.default_rng(1).standard_normal((500, 16), dtype=np.float32)
OURS = Vectors(WORDS, MATRIX)
THEIRS = KeyedVectors(16)
THEIRS.add_vectors(WORDS, MATRIX)

some_words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6)


def near(found, expected):
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_vectors_are_the_matrix():
    assert OURS.vectors is OURS.matrix


@pytest.mark.parametrize("norm", [False, True])
def test_a_vector_is_gensims_scaled_or_not(norm):
    near(OURS.get_vector("word7", norm=norm), THEIRS.get_vector("word7", norm=norm))


@given(some_words, st.booleans(), st.booleans())
def test_means_are_gensims(words, before, after):
    kinds = {"pre_normalize": before, "post_normalize": after}
    near(OURS.get_mean_vector([*words, "missing"], **kinds), THEIRS.get_mean_vector([*words, "missing"], **kinds))


def test_weighted_means_of_words_and_vectors_are_gensims():
    items, weights = ["word1", MATRIX[9], "missing", "word2"], [2.0, -1.0, 5.0, 0.5]
    near(OURS.get_mean_vector(items, weights), THEIRS.get_mean_vector(items, weights))


def test_the_mean_of_unknown_words_is_zero_unless_they_must_be_known():
    assert not OURS.get_mean_vector(["missing"], post_normalize=True).any()
    with pytest.raises(UnknownWordError):
        OURS.get_mean_vector(["word1", "missing"], ignore_missing=False)
    with pytest.raises(ValueError, match="a weight for each, found 1 and 2"):
        OURS.get_mean_vector(["word1"], [1, 2])
    with pytest.raises(ValueError, match="found 0 and 0"):
        OURS.get_mean_vector([])


@given(some_words)
def test_the_word_that_does_not_match_is_gensims(words):
    # Of two, each is as near to the mean as the other.
    words = [*dict.fromkeys([*words, "word1", "word2", "word3"])]
    assert OURS.doesnt_match([*words, "missing"]) == THEIRS.doesnt_match([*words, "missing"])


def test_of_unknown_words_none_is_the_one_that_does_not_match():
    with pytest.raises(ValueError, match="found none among 2"):
        OURS.doesnt_match(["missing", "too"])


@given(some_words, some_words)
def test_similarities_of_sets_and_distances_are_gensims(words, others):
    near(OURS.n_similarity(words, others), THEIRS.n_similarity(words, others))
    near(OURS.distance(words[0], others[0]), THEIRS.distance(words[0], others[0]))
    near(OURS.distances(words[0], others), THEIRS.distances(words[0], others))


def test_distances_to_all_words_and_of_a_vector_are_gensims():
    near(OURS.distances("word3"), THEIRS.distances("word3"))
    near(OURS.distances(MATRIX[4] + MATRIX[5]), THEIRS.distances(MATRIX[4] + MATRIX[5]))


@given(st.sampled_from(WORDS), st.sampled_from(WORDS[:250]), some_words)
def test_ranks_and_closer_words_are_gensims(word, other, words):
    if word != other:
        assert OURS.closer_than(word, other) == THEIRS.closer_than(word, other)
        assert OURS.rank(word, other) == THEIRS.rank(word, other)
    assert OURS.most_similar_to_given(word, words) == THEIRS.most_similar_to_given(word, words)


@pytest.mark.parametrize("restrict", [None, 100])
@pytest.mark.parametrize(
    ("positive", "negative"), [("word1", []), (["word1", "word2"], ["word3"]), ([MATRIX[3]], "word4")]
)
def test_analogies_by_products_are_gensims(positive, negative, restrict):
    ours = OURS.most_similar_cosmul(positive, negative, topn=7, restrict_vocab=restrict)
    if restrict is None:
        theirs = THEIRS.most_similar_cosmul(positive=positive, negative=negative, topn=7)
        assert [word for word, _ in ours] == [word for word, _ in theirs]
        near([score for _, score in ours], [score for _, score in theirs])
    else:
        assert all(int(word.removeprefix("word")) < restrict for word, _ in ours)


def test_words_never_seen_take_part_by_their_ngrams():
    few = Subwords(min_n=1, max_n=1, buckets=50)
    rows = np.random.default_rng(2).standard_normal((53, 4), np.float32)
    vectors = SubwordVectors(
        ["ab", "cd", "ef"], word_rows=rows[:3], bucket_ids=np.arange(50), bucket_rows=rows[3:], subwords=few
    )
    mean = vectors.get_mean_vector(["ab", "ace"], pre_normalize=False)
    near(mean, (vectors["ab"] + vectors["ace"]) / 2)
    near(vectors.distance("ace", "ab"), vectors.distances("ace")[0])
    assert vectors.rank("ace", vectors.most_similar("ace", topn=1)[0][0]) == 1
    assert vectors.most_similar_cosmul("ace")[0][0] == vectors.most_similar("ace")[0][0]


def test_what_is_saved_is_loaded_again(tmp_path):
    OURS.save(tmp_path / "words")
    assert embtrain.load(tmp_path / "words").matrix.tobytes() == MATRIX.tobytes()
    with pytest.raises(FormatError, match="exists already"):
        OURS.save(tmp_path / "words")

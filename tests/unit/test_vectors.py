"""The vectors API: what it answers, and that gensim answers the same."""

import unicodedata

import numpy as np
import pytest
from gensim.models import KeyedVectors
from hypothesis import given
from hypothesis import strategies as st

from embtrain.errors import UnknownWordError
from embtrain.spelling import closest_spellings
from embtrain.vectors import Vectors

WORDS = ["king", "queen", "man", "woman", "apple"]
MATRIX = np.array([[3, 3, 0], [3, -3, 0], [1, 1, 1], [1, -1, 1], [0, 0, -2]], dtype=np.float32)


@pytest.fixture
def vectors():
    return Vectors(WORDS, MATRIX, counts=[50, 40, 30, 20, 10])


@pytest.fixture(scope="module")
def random_pair():
    """Five hundred random vectors, once as ours and once as gensim's."""
    matrix = np.random.default_rng(1).standard_normal((500, 16), dtype=np.float32)
    words = [f"word{row}" for row in range(500)]
    theirs = KeyedVectors(16)
    theirs.add_vectors(words, matrix)
    return Vectors(words, matrix), theirs


def same(ours, theirs):
    assert [word for word, _ in ours] == [word for word, _ in theirs]
    assert [score for _, score in ours] == pytest.approx([score for _, score in theirs], abs=1e-6)


def test_a_word_gives_its_row_and_a_list_of_words_gives_theirs(vectors):
    assert vectors["queen"].tolist() == [3, -3, 0]
    assert vectors[["apple", "king"]].tolist() == [[0, 0, -2], [3, 3, 0]]


def test_words_and_ids_lead_to_each_other(vectors):
    assert len(vectors) == 5
    assert "man" in vectors
    assert "Man" not in vectors
    assert vectors.index_to_key[vectors.key_to_index["man"]] == "man"
    assert vectors.vector_size == 3


def test_a_float32_matrix_is_kept_without_a_copy_and_cannot_be_changed_through_the_vectors():
    matrix = MATRIX.copy()
    vectors = Vectors(WORDS, matrix)
    assert np.shares_memory(vectors.matrix, matrix)
    with pytest.raises(ValueError, match="read-only"):
        vectors["king"][0] = 1
    assert matrix.flags.writeable


def test_unit_vectors_have_length_one_and_a_vector_of_zeros_stays_zero():
    vectors = Vectors(["long", "short", "none"], [[3e30, 4e30], [3e-30, 4e-30], [0, 0]])
    assert vectors.unit == pytest.approx(np.array([[0.6, 0.8], [0.6, 0.8], [0, 0]]), abs=1e-6)
    assert vectors.similarity("long", "none") == 0
    assert vectors.most_similar("none") == [("long", 0), ("short", 0)]


def test_similarity_is_the_cosine(vectors):
    assert vectors.similarity("king", "man") == pytest.approx(2 / np.sqrt(6))
    assert vectors.similarity("king", "queen") == pytest.approx(0)


def test_an_analogy_leaves_its_own_words_out(vectors):
    word, score = vectors.analogy("man", "king", "woman")[0]
    assert word == "queen"
    assert score == pytest.approx(vectors.most_similar(["king", "woman"], "man")[0][1])
    assert {word for word, _ in vectors.analogy("man", "king", "woman")} == {"queen", "apple"}


@pytest.mark.parametrize(
    ("positive", "negative"),
    [("word3", []), (["word1", "word2"], ["word3"]), (["word1"], "word2"), (["word7", np.ones(16)], np.arange(16.0))],
)
@pytest.mark.parametrize("restrict_vocab", [None, 40])
def test_most_similar_answers_as_gensim(random_pair, positive, negative, restrict_vocab):
    ours, theirs = random_pair
    same(
        ours.most_similar(positive, negative, topn=7, restrict_vocab=restrict_vocab),
        theirs.most_similar(positive, negative, topn=7, restrict_vocab=restrict_vocab),
    )


def test_similar_by_vector_and_similarity_answer_as_gensim(random_pair):
    ours, theirs = random_pair
    same(ours.similar_by_vector(np.arange(16.0)), theirs.similar_by_vector(np.arange(16, dtype=np.float32)))
    assert ours.similarity("word8", "word9") == pytest.approx(theirs.similarity("word8", "word9"), abs=1e-6)


def test_nearest_answers_many_words_as_most_similar_answers_each(random_pair, monkeypatch):
    monkeypatch.setattr("embtrain.vectors._SCORES_AT_A_TIME", 1000)
    ours, _ = random_pair
    words = ours.index_to_key[:5]
    for found, word in zip(ours.nearest(words, topn=3), words, strict=True):
        same(found, ours.most_similar(word, topn=3))


@pytest.mark.parametrize(("topn", "answers"), [(0, 0), (1, 1), (4, 4), (100, 4)])
def test_topn_bounds_the_answers(vectors, topn, answers):
    assert len(vectors.most_similar("king", topn=topn)) == answers


def test_equal_similarities_come_by_descending_count():
    vectors = Vectors(["often", "seldom", "asked"], [[0, 1], [0, 1], [1, 0]])
    assert vectors.most_similar("asked") == [("often", 0), ("seldom", 0)]


def test_a_query_without_words_or_of_the_wrong_width_is_refused(vectors):
    with pytest.raises(ValueError, match="at least one"):
        vectors.most_similar([])
    with pytest.raises(ValueError, match=r"\(3,\), found shape \(2,\)"):
        vectors.similar_by_vector(np.ones(2))


@pytest.mark.parametrize(
    ("words", "matrix", "counts", "message"),
    [
        (["a", "b"], np.ones((3, 2)), None, "2 words, but 3 vectors"),
        (["a", "b"], np.ones((2, 2)), [1], "2 words, but 1 counts"),
        (["a", "b", "a"], np.ones((3, 2)), None, "3 words, but only 2 different ones: 'a' is in rows 0 and 2"),
        (["a", "b"], [[1, 2], [3, np.nan]], None, "1 of 2 vectors hold NaN or infinity, the first that of 'b'"),
        (["a", "b"], [[1, 2], [3, -np.inf]], None, "1 of 2 vectors hold NaN"),
        (["a", "b"], np.ones((2, 1)), [1, 2], "'a' has 1 and 'b' after it 2"),
        (["a"], np.ones(1), None, "shape"),
        ([], np.ones((0, 3)), None, "at least one word"),
    ],
)
def test_what_does_not_fit_together_is_refused_with_both_numbers(words, matrix, counts, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        Vectors(words, matrix, counts)


def test_an_unknown_word_is_answered_with_the_closest_spellings(vectors):
    with pytest.raises(UnknownWordError, match=r"'quen' is not among the 5 words .*did you mean 'queen'\?"):
        vectors["quen"]


def test_an_unknown_word_that_differs_in_case_alone_is_answered_with_the_known_one(vectors):
    with pytest.raises(UnknownWordError, match=r"did you mean 'apple'\?"):
        vectors.similarity("king", "APPLE")


def test_a_word_unlike_any_other_is_answered_without_a_suggestion(vectors):
    with pytest.raises(UnknownWordError, match="nor is any word spelt like it"):
        vectors.most_similar("서울")


def test_swapped_letters_are_one_edit_and_ties_go_to_the_more_frequent():
    assert closest_spellings("hte", ["hat", "the", "hoe"]) == ["the", "hoe"]


def test_a_word_in_another_normal_form_is_answered_with_the_known_one():
    assert closest_spellings(unicodedata.normalize("NFD", "서울"), ["부산", "서울"]) == ["서울"]


@given(st.lists(st.text(max_size=6), unique=True, max_size=20), st.text(max_size=6))
def test_spellings_suggested_are_words_of_the_vocabulary(vocabulary, word):
    assert set(closest_spellings(word, vocabulary)) <= set(vocabulary)


def decomposed(word):
    return unicodedata.normalize("NFD", word)


def test_a_word_is_found_in_whichever_normal_form_it_was_typed():
    vectors = Vectors(["서울", "café", "king"], MATRIX[:3])
    assert decomposed("서울") != "서울"
    assert decomposed("서울") in vectors
    assert vectors.known([decomposed("café"), decomposed("cafë")]).tolist() == [True, False]
    np.testing.assert_array_equal(vectors[decomposed("서울")], vectors["서울"])
    assert vectors.most_similar(decomposed("서울")) == vectors.most_similar("서울")
    assert vectors.nearest([decomposed("café")]) == vectors.nearest(["café"])


def test_a_vocabulary_that_is_not_composed_keeps_its_words_and_finds_composed_ones():
    words = [decomposed(word) for word in ("서울", "부산")]
    vectors = Vectors([*words, "café", "king"], MATRIX[:4])
    np.testing.assert_array_equal(vectors["서울"], vectors[words[0]])
    assert vectors.index_of("café") == 2

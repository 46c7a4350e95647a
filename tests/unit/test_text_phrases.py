"""Phrases without Spark: scores, and joining."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference_phrases as reference
from embtrain.schema import PHRASES
from embtrain.text import TextRules, join_phrases, sentences
from embtrain.text.phrases import npmi_score, pair_keys, word2vec_score

LETTERS = "abcé가"


def phrases_of(*passes):
    """Return a table of phrases from one string a pass: ``"a b, b c"``."""
    rows = [
        {"first": first, "second": second, "count": 9, "score": 1.0, "pass": number}
        for number, pairs in enumerate(passes, start=1)
        for first, second in (pair.split() for pair in pairs.split(", "))
    ]
    return pa.Table.from_pylist(rows, PHRASES.arrow_schema)


def joined(text, *passes):
    return join_phrases(pa.array([text]), phrases_of(*passes))[0].as_py()


def test_a_phrase_becomes_one_token():
    assert joined("to new york city", "new york") == "to new_york city"


def test_of_two_phrases_that_overlap_the_left_one_is_joined():
    assert joined("a b c", "a b, b c") == "a_b c"
    assert joined("a b c d", "a b, b c, c d") == "a_b c_d"


def test_a_token_repeated_is_joined_two_by_two():
    assert joined("x x x x x", "x x") == "x_x x_x x"


def test_a_later_pass_joins_what_an_earlier_one_has_made():
    assert joined("new york city hall", "new york, city hall", "new_york city_hall") == "new_york_city_hall"


def test_the_phrases_of_a_later_pass_do_not_count_in_an_earlier_one():
    assert joined("a b c", "b c", "a b") == "a b_c"


def test_no_phrase_crosses_the_end_of_a_sentence():
    assert join_phrases(pa.array(["a", "b", "a b"]), phrases_of("a b")).to_pylist() == ["a", "b", "a_b"]


def test_without_phrases_texts_stay_as_they_are():
    texts = pa.array(["a b", ""])
    assert join_phrases(texts, PHRASES.arrow_schema.empty_table()).equals(texts)


def test_a_text_without_tokens_stays_empty():
    assert join_phrases(pa.array(["", "a b", ""]), phrases_of("a b")).to_pylist() == ["", "a_b", ""]


def test_a_slice_is_joined_like_an_array_of_its_own():
    texts = pa.array(["a b", "c a b", "가 a b", "b"]).slice(1, 2)
    assert join_phrases(texts, phrases_of("a b")).to_pylist() == ["c a_b", "가 a_b"]


def test_new_text_is_joined_as_the_corpus_was():
    tokenised = sentences(pa.array(["I love New York. New York!"]), TextRules())
    assert join_phrases(tokenised, phrases_of("new york")).to_pylist() == ["i love new_york", "new_york"]


texts_of_letters = st.lists(st.lists(st.sampled_from(LETTERS), max_size=12), max_size=6)
pairs_of_letters = st.sets(st.tuples(st.sampled_from(LETTERS), st.sampled_from(LETTERS)), min_size=1)


@given(texts_of_letters, pairs_of_letters)
def test_joining_matches_the_reference(texts, pairs):
    table = phrases_of(", ".join(" ".join(pair) for pair in sorted(pairs)))
    tokenised = pa.array([" ".join(text) for text in texts], pa.string())
    expected = [" ".join(reference.join(text, pairs)) for text in texts]
    assert join_phrases(tokenised, table).to_pylist() == expected


@given(texts_of_letters)
def test_keys_stand_for_the_known_pairs_within_sentences(texts):
    vocabulary = "bé가"
    keys = pair_keys(pa.array(texts, pa.list_(pa.string())), pa.array(list(vocabulary)))
    expected = [(a, b) for text in texts for a, b in pairwise(text) if {a, b} <= set(vocabulary)]
    assert [(vocabulary[key // 3], vocabulary[key % 3]) for key in keys] == expected


def test_tokens_that_occur_only_together_have_an_npmi_of_one():
    assert npmi_score(np.array([7]), np.array([7]), np.array([7]), tokens=100) == pytest.approx(1)


def test_independent_tokens_have_an_npmi_of_zero():
    assert npmi_score(np.array([6]), np.array([20]), np.array([30]), tokens=100) == pytest.approx(0)


def test_word2vecs_score_discounts_the_least_count():
    score = word2vec_score(np.array([7, 5]), np.array([10, 5]), np.array([8, 5]), tokens=1000, min_count=5)
    assert score.tolist() == [2 / 10 / 8 * 1000, 0]

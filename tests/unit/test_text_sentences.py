"""Sentences: where they end, and how long they may be."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
from embtrain.text import TextRules, measured_sentences, sentences, tokenise

ENGLISH = TextRules()
KOREAN = TextRules(language="ko")


def split(text, rules=ENGLISH):
    return sentences(pa.array([text]), rules).to_pylist()


@pytest.mark.parametrize("end", [".", "!", "?", "…", "?!", '."', ".)", ".”", "\n.\n"])
def test_a_sentence_ends_at_a_stop_before_white_space(end):
    assert split(f"He came{end} She went") == ["he came", "she went"]


@pytest.mark.parametrize("text", ["version 3.5 is out", "see example.com/a?b now", "Yes…no"])
def test_a_stop_within_a_token_ends_nothing(text):
    assert len(split(text)) == 1


@pytest.mark.parametrize("text", ["J. S. Bach wrote", "the U.S. Army", "Dr. No met Mrs. Smith", "fruit, e.g. apples"])
def test_initials_and_abbreviations_end_nothing(text):
    assert len(split(text)) == 1


def test_korean_sentences_end_at_their_stops():
    assert split("비가 온다. 집에 가자! 왜?", KOREAN) == ["비가 온다", "집에 가자", "왜"]


def test_a_korean_date_is_not_cut():
    assert split("2005. 3. 1. 개교했다. 끝", KOREAN) == ["2005 3 1 개교했다", "끝"]


def test_a_full_width_stop_needs_no_blank():
    assert split("我来了。他走了。") == ["我来了", "他走了"]


def test_a_document_can_stay_one_sentence():
    assert split("One. Two.", TextRules(split_sentences=False)) == ["one two"]


def test_pretokenised_stops_stay_tokens():
    assert split("a b . c", TextRules(tokenizer="whitespace")) == ["a b .", "c"]


def test_sentences_without_words_are_left_out():
    assert sentences(pa.array(["... !!! ", "", "a. ??? b."]), TextRules()).to_pylist() == ["a", "b"]


def test_a_long_sentence_is_cut_and_nothing_lost():
    assert split("a b c d e", TextRules(max_sentence_tokens=2)) == ["a b", "c d", "e"]


def test_a_sentence_of_the_greatest_length_is_not_cut():
    assert split("a b c", TextRules(max_sentence_tokens=3)) == ["a b c"]


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1), max_size=6), st.integers(2, 4))
def test_pieces_match_the_reference(documents, max_tokens):
    rules = TextRules(tokenizer="whitespace", max_sentence_tokens=max_tokens)
    texts = pa.array([" ".join(tokens) for tokens in documents], pa.string())
    expected = [" ".join(piece) for tokens in documents for piece in reference.cut(tokens, max_tokens)]
    assert sentences(texts, rules).to_pylist() == expected


def test_a_token_of_the_greatest_length_is_kept_and_a_longer_one_dropped():
    rules = TextRules(max_token_characters=3)
    assert split("abc abcd 가나다 가나다라 e", rules) == ["abc 가나다 e"]
    assert tokenise(pa.array(["abc abcd"]), rules).to_pylist() == [["abc"]]


def test_what_was_dropped_is_counted_where_it_stood():
    documents = pa.array(["ab abcd. abcdef ghijkl. e f g"])
    assert measured_sentences(documents, TextRules(max_token_characters=3)).to_pydict() == {
        "tokenised": ["ab", "", "e f g"],
        "num_tokens": [1, 0, 3],
        "num_dropped": [1, 2, 0],
    }


def test_measures_of_no_document_are_of_the_same_types():
    some, none = (measured_sentences(pa.array(texts, pa.string()), ENGLISH) for texts in (["a b"], []))
    assert some.schema == none.schema
    assert some.schema.types == [pa.string(), pa.int32(), pa.int32()]


@given(st.lists(st.text("ab가😀", min_size=1, max_size=5)), st.integers(1, 4))
def test_long_tokens_match_the_reference(tokens, max_characters):
    rules = TextRules(tokenizer="whitespace", split_sentences=False, max_token_characters=max_characters)
    kept = [token for token in tokens if len(token) <= max_characters]
    assert tokenise(pa.array([" ".join(tokens)]), rules).to_pylist() == [kept]


@given(st.text(st.sampled_from(" .!?'\u2019\"()\u3002\n\x1eaB1가나"), max_size=60), st.sampled_from([ENGLISH, KOREAN]))
def test_sentences_have_all_the_tokens_of_their_document(text, rules):
    tokens = [token for sentence in split(text, rules) for token in sentence.split(" ")]
    assert tokens == tokenise(pa.array([text]), rules).to_pylist()[0]

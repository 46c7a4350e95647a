"""Tokens: what is a word, in which case and form, in English and Korean."""

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
from embtrain.text import TextRules, tokenise

ENGLISH = TextRules(language="en")
KOREAN = TextRules(language="ko")
WHITESPACE = TextRules(tokenizer="whitespace")

# Characters that every version of Unicode since 3.2 knows: Python's tables and Arrow's differ in age.
old_characters = st.characters(exclude_categories=["Cs"]).filter(
    lambda character: unicodedata.ucd_3_2_0.category(character) != "Cn"
)
texts = st.text(old_characters | st.sampled_from(" '\u2019.,-aAéß가"), max_size=40)
# Tokens by these rules are tokens of themselves.
stable_rules = st.sampled_from(
    [
        *(ENGLISH, KOREAN, WHITESPACE, TextRules(lowercase=False)),
        *(TextRules(tokenizer="punctuated"), TextRules(tokenizer="punctuated", language="ko")),
        *(TextRules(digits="zero"), TextRules(digits="spell"), TextRules(tokenizer="whitespace", digits="spell")),
    ]
)
rules = stable_rules | st.just(TextRules(language="ko", tokenizer="jamo"))


def tokens(text, rules=ENGLISH):
    return tokenise(pa.array([text], pa.string()), rules).to_pylist()[0]


def test_punctuation_is_dropped():
    assert tokens('"Stop!" (she said), twice.') == ["stop", "she", "said", "twice"]


def test_an_apostrophe_within_a_word_stays():
    assert tokens("Don't") == ["don't"]


@pytest.mark.parametrize("apostrophe", ["\u2019", "\u02bc", "\uff07"])
def test_every_kind_of_apostrophe_is_written_alike(apostrophe):
    assert tokens(f"don{apostrophe}t") == ["don't"]


def test_quotes_are_no_apostrophes():
    assert tokens("'tis the dogs' 'bone', rock 'n' roll") == ["tis", "the", "dogs", "bone", "rock", "n", "roll"]


def test_letters_of_other_scripts_and_digits_are_words():
    assert tokens("Ĉu Ünïcode 東京 Москва 42 ٣") == ["ĉu", "ünïcode", "東京", "москва", "42", "٣"]


def test_an_identifier_is_taken_apart_at_its_underscores():
    assert tokens("max_size") == ["max", "size"]


def test_emoji_are_no_words():
    assert tokens("good 😀👍🏽 day 🇰🇷") == ["good", "day"]


def test_a_soft_hyphen_is_no_part_of_its_word():
    assert tokens("co\u00adoperate") == ["cooperate"]


def test_a_hyphen_parts_words():
    assert tokens("state-of-the-art") == ["state", "of", "the", "art"]


def test_each_digit_can_become_a_zero():
    assert tokens("In 1984, ٣ or 3.5 b2b", TextRules(digits="zero")) == ["in", "0000", "0", "or", "0", "0", "b0b"]


def test_digits_can_be_spelled_as_in_text8():
    assert tokens("In 1984: b2b", TextRules(digits="spell")) == ["in", "one", "nine", "eight", "four", "b", "two", "b"]


def test_an_apostrophe_before_a_spelled_digit_is_a_quote():
    assert tokens("the '90s", TextRules(digits="spell")) == ["the", "nine", "zero", "s"]


def test_case_can_be_kept():
    assert tokens("Red House", TextRules(lowercase=False)) == ["Red", "House"]


def test_composed_and_decomposed_letters_give_the_same_token():
    assert tokens("cafe\u0301 J\u030c") == ["café", "ǰ"]


def test_korean_drops_the_quotes_before_a_particle():
    assert tokens("\u2018기생충\u2019은 '영화'가 아니다.", KOREAN) == ["기생충", "은", "영화", "가", "아니다"]


def test_korean_jamo_are_composed_to_syllables():
    assert tokens(unicodedata.normalize("NFD", "한국어를 배운다"), KOREAN) == ["한국어를", "배운다"]


def test_whitespace_tokens_are_taken_as_they_are():
    assert tokens("don't , stop\u00a0! x_1\u3000(y)", WHITESPACE) == ["don't", ",", "stop", "!", "x_1", "(y)"]


def test_punctuated_tokens_are_words_and_each_mark():
    text = "\"Don't STOP!!\" 'Win' \u00a31,000: b_2b@x.uk"
    found = tokens(text, TextRules(tokenizer="punctuated", lowercase=False))
    assert " ".join(found) == "\" Don't STOP ! ! \" ' Win ' \u00a3 1 , 000 : b _ 2b @ x . uk"


def test_punctuated_korean_sets_every_apostrophe_apart():
    found = tokens("'기생충'은...", TextRules(tokenizer="punctuated", language="ko"))
    assert " ".join(found) == "' 기생충 ' 은 . . ."


def test_an_address_is_one_token_among_punctuation():
    rules = TextRules(tokenizer="punctuated", urls="mark")
    assert tokens("see www.x.com/a?b, ok", rules) == ["see", "<url>", ",", "ok"]


@pytest.mark.parametrize("text", ["", "   ", "...", "'", "—"])
def test_a_text_without_words_has_no_tokens(text):
    assert tokens(text) == []


def test_a_slice_of_an_array_gives_the_tokens_of_the_slice():
    array = pa.array(["one two", "three", "four five"])
    assert tokenise(array.slice(1, 2), ENGLISH).to_pylist() == [["three"], ["four", "five"]]


@given(texts, rules)
def test_tokens_match_the_reference(text, rules):
    assert tokens(text, rules) == reference.tokenise(text, rules)


@given(texts, stable_rules)
def test_tokens_are_tokens_of_themselves(text, rules):
    found = tokens(text, rules)
    assert tokens(" ".join(found), rules) == found


@given(st.text(), rules)
def test_no_token_is_empty_or_holds_white_space(text, rules):
    assert all(token and not any(c.isspace() for c in token) for token in tokens(text, rules))


@given(texts)
def test_no_token_has_a_letter_with_a_lower_case(text):
    assert all(token == "".join(c.lower()[0] for c in token) for token in tokens(text))


@given(texts, rules)
def test_every_token_is_in_normal_form_c(text, rules):
    assert all(unicodedata.is_normalized("NFC", token) for token in tokens(text, rules))


@given(st.lists(texts), rules)
def test_tokens_do_not_depend_on_the_batch(batch, rules):
    assert tokenise(pa.array(batch, pa.string()), rules).to_pylist() == [tokens(text, rules) for text in batch]

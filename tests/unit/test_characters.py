"""ELMo's characters: the published mapping, byte by byte."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
from embtrain.text.characters import BEGIN_SENTENCE, END_SENTENCE, NUM_CHARACTERS, sentence_mark, word_characters


def characters_of(*words):
    return word_characters(pa.array(words, pa.string()))


def test_a_word_is_its_bytes_and_one_between_marks():
    assert characters_of("hi")[0].tolist() == [259, 105, 106, 260] + 46 * [261]


def test_a_korean_syllable_is_three_bytes():
    assert characters_of("가")[0, :6].tolist() == [259, 0xEA + 1, 0xB0 + 1, 0x80 + 1, 260, 261]


def test_of_a_long_word_the_first_48_bytes_are_kept():
    assert characters_of("x" * 60)[0].tolist() == [259] + 48 * [ord("x") + 1] + [260]


def test_a_cut_may_fall_within_a_character():
    assert characters_of("a" + "가" * 20)[0, -3:].tolist() == [0xEA + 1, 0xB0 + 1, 260]


@pytest.mark.parametrize(("word", "mark"), [("<S>", BEGIN_SENTENCE), ("</S>", END_SENTENCE)])
def test_the_ends_of_a_sentence_are_words_of_their_own(word, mark):
    assert characters_of(word)[0].tolist() == sentence_mark(mark).tolist() == [259, mark, 260] + 47 * [261]


def test_the_ends_of_a_sentence_have_the_published_ids():
    assert (BEGIN_SENTENCE, END_SENTENCE) == (257, 258)


def test_no_words_have_no_characters():
    assert characters_of().shape == (0, 50)


def test_a_slice_gives_the_slice_only():
    assert np.array_equal(word_characters(pa.array(["one", "two", "three"]).slice(1, 1)), characters_of("two"))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.sampled_from(["<S>", "</S>"])))
def test_characters_match_the_reference(words):
    found = characters_of(*words)
    assert found.tolist() == [reference.word_characters(word) for word in words]
    assert ((found > 0) & (found < NUM_CHARACTERS)).all()

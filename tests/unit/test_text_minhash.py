"""How alike two texts are, by their least hashes."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference_minhash as reference
from embtrain.text import minhash
from embtrain.text.minhash import NO_HASH, NUM_HASHES, band_keys, choose_bands, estimate_similarity, sketch

texts_of_words = st.lists(st.lists(st.sampled_from(["a", "bc", "é", "가나", "x1"]), max_size=12), max_size=5)


def least_of(*texts):
    return minhash.minhash(pa.array(texts, pa.string()))


@given(texts_of_words)
def test_least_hashes_are_those_of_the_reference(texts):
    expected = [reference.minhash(words) for words in texts]
    assert least_of(*(" ".join(words) for words in texts)).tolist() == expected


def test_pieces_of_any_size_give_the_same(monkeypatch):
    texts = ["a b c d e f g h i", "", "b c d e f", "x", "a b c d e f g h i j k l m"]
    whole = least_of(*texts)
    monkeypatch.setattr(minhash, "_PIECE_BYTES", 7)
    monkeypatch.setattr(minhash, "_PIECE_SHINGLES", 2)
    assert (least_of(*texts) == whole).all()


def test_case_and_punctuation_do_not_count():
    one, other = least_of("It rains, and it pours: cats!", "it rains and it pours cats")
    assert (one == other).all()


def test_a_text_without_words_has_no_hash():
    assert (least_of("...") == NO_HASH).all()


@pytest.mark.parametrize("similarity", [0.3, 0.5, 0.8, 0.9, 1.0])
def test_a_pair_as_similar_as_asked_for_shares_a_band_but_for_one_chance_in_a_hundred(similarity):
    bands, rows = choose_bands(similarity)
    assert bands * rows <= NUM_HASHES
    assert 1 - (1 - similarity**rows) ** bands >= 0.99


def test_texts_share_a_band_where_all_its_hashes_agree():
    one = np.arange(NUM_HASHES, dtype=np.uint32)
    other = one.copy()
    other[4] += 1
    keys = band_keys(np.stack([one, other]), 32, 4)
    assert (keys[0] == keys[1]).tolist() == [band != 1 for band in range(32)]


def test_bands_with_the_same_hashes_differ_from_each_other():
    assert len(set(band_keys(np.zeros((1, NUM_HASHES), dtype=np.uint32), 32, 4)[0].tolist())) == 32


def test_the_same_text_is_wholly_similar_to_itself():
    sketched = sketch(least_of("one two three four five six"))
    assert estimate_similarity(sketched, sketched).tolist() == [1]


def test_unlike_texts_are_not_similar():
    one, other = sketch(least_of("a b c d e f", "g h i j k l"))
    # A byte agrees by chance once in 256 times.
    assert estimate_similarity(one[np.newaxis], other[np.newaxis])[0] < 0.05

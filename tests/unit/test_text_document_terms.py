"""Bags of words: the same as gensim's, and as a Counter's."""

from collections import Counter

import pyarrow as pa
import pytest
from gensim.corpora import Dictionary
from hypothesis import given
from hypothesis import strategies as st

from embtrain.text import TextRules, document_sentences, tokenise
from embtrain.text.document_terms import count_terms

VOCABULARY = pa.array(["the", "cat", "dog"])
DOCUMENTS = st.lists(st.lists(st.sampled_from(["", "the", "the cat", "a dog dog the"])), max_size=5)


def terms_of(*documents, vocabulary=VOCABULARY):
    terms, counts = count_terms(pa.array(documents, pa.list_(pa.string())), vocabulary)
    pairs = zip(terms.to_pylist(), counts.to_pylist(), strict=True)
    return [list(zip(*pair, strict=True)) for pair in pairs]


def test_terms_are_counted_over_all_sentences_of_a_document():
    assert terms_of(["the cat", "the dog"], ["cat cat"]) == [[(0, 2), (1, 1), (2, 1)], [(1, 2)]]


def test_unknown_tokens_are_left_out():
    assert terms_of(["a cat"]) == [[(1, 1)]]


@pytest.mark.parametrize("document", [[], [""], ["unknown"]])
def test_a_document_without_a_known_token_has_no_terms(document):
    assert terms_of(["cat"], document, ["dog"]) == [[(1, 1)], [], [(2, 1)]]


def test_no_documents_have_no_terms():
    assert terms_of() == []


def test_a_slice_gives_the_slice_only():
    documents = pa.array([["the"], ["cat", "dog"], ["dog"]]).slice(1, 1)
    terms, counts = count_terms(documents, VOCABULARY)
    assert (terms.to_pylist(), counts.to_pylist()) == ([[1, 2]], [[1, 1]])


@given(DOCUMENTS)
def test_terms_are_those_of_a_counter(documents):
    ids = {token: token_id for token_id, token in enumerate(VOCABULARY.to_pylist())}
    expected = [Counter(ids[token] for token in " ".join(document).split() if token in ids) for document in documents]
    assert terms_of(*documents) == [sorted(counter.items()) for counter in expected]


def test_terms_are_those_of_gensim():
    documents = [["the cat saw the dog", "the dog ran"], ["a cat"]]
    tokens = [" ".join(document).split() for document in documents]
    dictionary = Dictionary(tokens)
    by_id = pa.array([dictionary[token_id] for token_id in range(len(dictionary))])
    assert terms_of(*documents, vocabulary=by_id) == [dictionary.doc2bow(text) for text in tokens]


@given(st.lists(st.text(st.sampled_from("Aab가.! ?。\n'"), max_size=12), max_size=4), st.booleans(), st.integers(0, 3))
def test_a_document_keeps_all_its_tokens_and_only_its_own(texts, split, skipped):
    documents = pa.array(texts, pa.string()).slice(skipped)
    rules = TextRules(language="ko", split_sentences=split)
    found = document_sentences(documents, rules).to_pylist()
    assert [" ".join(sentences).split() for sentences in found] == tokenise(documents, rules).to_pylist()

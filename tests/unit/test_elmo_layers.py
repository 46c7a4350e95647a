"""ELMo's layers: against plain loops, and for what sentences may hold."""

import copy
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import reference_elmo
from embtrain.config import ElmoArchitecture
from embtrain.contextual_vectors import MARKS, ContextualVectors
from embtrain.errors import ConfigError, CorpusError, FormatError
from embtrain.models.elmo.bilm import BiLM
from embtrain.models.elmo.lstm import LstmLayer, LstmState
from embtrain.models.elmo.representation import Representation
from embtrain.models.elmo.word_cache import WordCache
from embtrain.text import TextRules, Tokeniser
from embtrain.text.characters import word_characters

TINY = ElmoArchitecture(
    char_dim=3, filters=[(1, 2), (3, 4)], projection_dim=4, cell_dim=6, cell_clip=0.4, projection_clip=0.2
)
SENTENCES = [["the", "cat", "sat", "on", "the", "mat"], ["no"], ["고양이가", "앉았다", "🐈"], ["x" * 60, "the"]]


@pytest.fixture(scope="module")
def bilm():
    torch.manual_seed(0)
    model = BiLM(TINY).double()
    with torch.no_grad():
        for parameter in model.lstms.parameters():  # so large that what is clipped counts
            parameter.mul_(2)
    return model


@pytest.fixture(scope="module")
def contextual(bilm):
    return ContextualVectors(copy.deepcopy(bilm).float(), vocabulary=["the", "cat", "mat"])


def spelled(words):
    return word_characters(pa.array(words, pa.string()))


def test_words_are_encoded_as_by_plain_loops(bilm):
    words = ["a", "cat", "x" * 47, "x" * 48, "x" * 60, "고양이", "", *MARKS]
    for some in (words, words[:2]):
        encoded = bilm.characters(torch.from_numpy(spelled(some))).detach().numpy()
        expected = [reference_elmo.encode_word(bilm.characters, characters) for characters in spelled(some)]
        np.testing.assert_allclose(encoded, expected, atol=1e-12)


@pytest.mark.parametrize("skip_connections", [True, False])
@pytest.mark.parametrize("clip", [None, 0.2])
def test_layers_are_those_of_plain_loops(skip_connections, clip):
    architecture = TINY.model_copy(
        update={"skip_connections": skip_connections, "cell_clip": clip, "projection_clip": clip, "layers": 3}
    )
    bilm = BiLM(architecture).double()
    for sentence, layers in zip(SENTENCES, ContextualVectors(bilm).layers(SENTENCES), strict=True):
        marked = spelled([MARKS[0], *sentence, MARKS[1]])
        words = np.array([reference_elmo.encode_word(bilm.characters, characters) for characters in marked])
        np.testing.assert_allclose(layers, reference_elmo.layers_of(bilm, words)[:, 1:-1], atol=1e-6)


def test_gradients_of_an_lstm_are_those_of_autograd_over_plain_operations():
    layer = LstmLayer(directions=2, input_dim=3, cell_dim=5, projection_dim=4, cell_clip=0.3, projection_clip=0.1)
    layer = layer.double()
    inputs = torch.randn(2, 6, 3, 3, dtype=torch.double, requires_grad=True)
    state = LstmState(0.1 * torch.randn(2, 3, 5).double(), 0.1 * torch.randn(2, 3, 4).double())
    outputs, cells = layer(inputs, state)
    expected, last_cell = plain_outputs(layer, inputs, state)
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(cells[:, -1], last_cell)
    assert (outputs.abs() == 0.1).any(), "some are clipped, and some are not"
    assert (outputs.abs() < 0.1).any()
    weights = torch.randn_like(outputs)
    wanted = [inputs, *layer.parameters()]
    found = torch.autograd.grad((outputs * weights).sum(), wanted)
    torch.testing.assert_close(found, torch.autograd.grad((expected * weights).sum(), wanted))


def plain_outputs(layer, inputs, state):
    cell, output = state
    outputs = []
    for step in inputs.unbind(1):
        gates = step @ layer.input_weight + output @ layer.state_weight + layer.bias[:, None]
        i, j, f, o = gates.chunk(4, dim=-1)
        cell = ((f + 1).sigmoid() * cell + i.sigmoid() * j.tanh()).clamp(-0.3, 0.3)
        output = ((o.sigmoid() * cell.tanh()) @ layer.projection).clamp(-0.1, 0.1)
        outputs.append(output)
    return torch.stack(outputs, dim=1), cell


def test_a_sentence_has_the_same_layers_whatever_is_in_its_batch(contextual):
    together = contextual.layers([*SENTENCES, []])
    for sentence, layers in zip([*SENTENCES, []], together, strict=True):
        assert layers.shape == (3, len(sentence), 8)
        assert layers.dtype == np.float32
        np.testing.assert_allclose(layers, contextual.layers([sentence])[0], atol=1e-6)


def test_a_long_text_goes_through_in_pieces(contextual, monkeypatch):
    sentence = 20 * SENTENCES[0]
    (whole,) = contextual.layers([sentence])
    monkeypatch.setattr("embtrain.contextual_vectors.TOKENS_AT_ONCE", 7)
    np.testing.assert_allclose(contextual.layers([sentence])[0], whole, atol=1e-6)
    _, states = contextual.continued([sentence, ["no"]], None)
    np.testing.assert_allclose(states[1].cell[:, 1], contextual.continued([["no"]], None)[1][1].cell[:, 0], atol=1e-6)


def test_only_what_is_continued_depends_on_what_was_read_before(contextual):
    first, states = contextual.continued([["the", "cat"]], None)
    second, _ = contextual.continued([["the", "cat"]], states)
    assert not np.allclose(first[0][1:], second[0][1:])
    np.testing.assert_array_equal(first[0][0], second[0][0])
    np.testing.assert_array_equal(contextual.layers([["the", "cat"]])[0], first[0])


def test_bytes_after_the_48th_are_not_looked_at(contextual):
    vectors = contextual.encode([["x" * 48], ["x" * 60], ["x" * 47]])
    np.testing.assert_array_equal(vectors[0], vectors[1])
    assert not np.allclose(vectors[0], vectors[2])


@given(st.lists(st.text(max_size=60), max_size=3))
@settings(max_examples=25)
def test_any_text_has_finite_layers(contextual, sentence):
    sentence = [token.encode(errors="replace").decode() for token in sentence]
    (layers,) = contextual.layers([sentence])
    assert layers.shape == (3, len(sentence), 8)
    assert np.isfinite(layers).all()


def test_a_sentence_is_the_mean_of_its_tokens_and_none_is_zero(contextual):
    tokens = contextual.encode([["the", "cat"]], pooling=None)[0]
    assert tokens.shape == (2, 8)
    np.testing.assert_allclose(tokens, contextual.layers([["the", "cat"]])[0].mean(axis=0), rtol=1e-5)
    encoded = contextual.encode([["the", "cat"], []])
    np.testing.assert_allclose(encoded, [tokens.mean(axis=0), np.zeros(8)], rtol=1e-5)
    top = contextual.encode([["the", "cat"]], pooling=None, weights=[0, 0, 2])[0]
    np.testing.assert_allclose(top, 2 * contextual.layers([["the", "cat"]])[0][2])


def test_a_text_is_the_mean_of_the_tokens_of_its_sentences(bilm):
    contextual = ContextualVectors(copy.deepcopy(bilm).float(), tokeniser=Tokeniser(TextRules(tokenizer="punctuated")))
    encoded = contextual.encode_texts(["A cat sat on a mat. It is gone.", " ", "No."])
    first, second, last = contextual.encode(
        [["a", "cat", "sat", "on", "a", "mat", "."], ["it", "is", "gone", "."], ["no", "."]], pooling=None
    )
    expected = [np.concatenate([first, second]).mean(axis=0), np.zeros(8), last.mean(axis=0)]
    np.testing.assert_allclose(encoded, expected, rtol=1e-5)


@pytest.mark.parametrize("way", ["encode", "encode_texts"])
def test_means_are_taken_without_all_layers_at_once(monkeypatch, way):
    monkeypatch.setattr("embtrain.contextual_vectors.TOKENS_AT_ONCE", 100)
    contextual = ContextualVectors(BiLM(TINY.model_copy(update={"projection_dim": 64})))
    sentences = 200 * [["the", "cat", "sat", *18 * ["on"]]]
    size_of_all = sum(layers.nbytes for layers in contextual.layers(sentences))
    asked = sentences if way == "encode" else [" ".join(sentence) for sentence in sentences]
    tracemalloc.start()
    getattr(contextual, way)(asked)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < size_of_all / 4


def test_no_sentence_has_no_vector(contextual):
    assert contextual.encode([]).shape == (0, 8)
    assert contextual.layers([]) == []


def test_sentences_may_come_one_by_one(contextual):
    (layers,) = contextual.layers(sentence for sentence in [["the", "cat"]])
    np.testing.assert_array_equal(layers, contextual.layers([["the", "cat"]])[0])


def test_half_a_surrogate_pair_is_read_as_a_question_mark(contextual):
    cut, marked = contextual.layers([["\ud83d"], ["?"]])
    np.testing.assert_allclose(cut, marked, atol=1e-6)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"pooling": "max"}, "expected pooling 'mean' or None, found 'max'"),
        ({"weights": [1, 2]}, r"expected 3 weights, one for each layer, found the shape \(2,\)"),
    ],
)
def test_a_way_of_pooling_or_weighting_that_there_is_not_is_refused(contextual, asked, message):
    with pytest.raises(ConfigError, match=message):
        contextual.encode([["the"]], **asked)


def test_states_are_of_as_many_rows_as_sentences(contextual):
    _, states = contextual.continued([["the"], ["cat"]], None)
    with pytest.raises(CorpusError, match="expected a sentence for each of 2 rows, found 1"):
        contextual.continued([["the"]], states)


@pytest.mark.parametrize("sentences", ["a text", ["a text"], [["a", 3]], [[["a"]]], [None]])
def test_what_are_no_lists_of_tokens_is_refused(contextual, sentences):
    with pytest.raises(CorpusError, match="expected sentences as lists of tokens"):
        contextual.layers(sentences)


def test_words_without_context_are_vectors_like_others(contextual):
    assert contextual.words.index_to_key == ["the", "cat", "mat"]
    layer = contextual.layers([["cat"]])[0][0, 0]
    np.testing.assert_allclose(layer, np.tile(contextual.words["cat"], 2), rtol=1e-6)


def test_a_model_without_a_vocabulary_says_so(bilm):
    with pytest.raises(FormatError, match="came without a vocabulary"):
        _ = ContextualVectors(bilm).words


def test_a_word_is_encoded_once(contextual, monkeypatch):
    contextual.layers([["the", "cat"]])
    monkeypatch.setattr("embtrain.models.elmo.word_cache.encode_words", lambda *_: pytest.fail("encoded again"))
    contextual.layers([["the", "cat", "cat"]])


def test_the_cache_starts_anew_when_it_is_full(contextual, monkeypatch):
    monkeypatch.setattr("embtrain.models.elmo.word_cache.MAX_WORDS", 2)
    before = contextual.layers(SENTENCES)
    np.testing.assert_allclose(contextual.layers(SENTENCES)[0], before[0], atol=1e-6)


def test_a_thread_that_starts_the_cache_anew_leaves_another_its_words(bilm, monkeypatch):
    monkeypatch.setattr("embtrain.models.elmo.word_cache.MAX_WORDS", 2)
    cache = WordCache(bilm.characters)
    with ThreadPoolExecutor(1) as other:

        def encode_words(_, words):
            if words == ["cat"]:
                for more in ("mat", "on"):
                    other.submit(cache.encode, [more]).result()
            return torch.ones(len(words), 1)

        monkeypatch.setattr("embtrain.models.elmo.word_cache.encode_words", encode_words)
        cache.encode(MARKS)
        assert cache.encode([*MARKS, "cat"]).shape == (3, 1)


def test_a_representation_starts_as_the_mean_of_the_layers_and_learns_its_weights():
    layers = torch.randn(3, 2, 5, 8)
    representation = Representation(3)
    torch.testing.assert_close(representation(layers), layers.mean(dim=0))
    with torch.no_grad():
        representation.s.copy_(torch.tensor([1.0, 2.0, 3.0]))
        representation.gamma.fill_(2)
    weights = np.exp([1, 2, 3]) / np.exp([1, 2, 3]).sum()
    expected = 2 * sum(weight * layer for weight, layer in zip(weights, layers, strict=True))
    torch.testing.assert_close(representation(layers), expected.float())
    representation(layers).sum().backward()
    assert representation.s.grad.abs().sum() > 0
    assert representation.gamma.grad != 0


def test_layer_norm_gives_each_token_of_each_layer_mean_0_and_variance_1():
    layers = 5 + 3 * torch.randn(3, 4, 100)
    normed = Representation(3, layer_norm=True)(layers[:1].expand(3, -1, -1))
    torch.testing.assert_close(normed.mean(dim=-1), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(normed.var(dim=-1, correction=0), torch.ones(4), atol=1e-3, rtol=0)

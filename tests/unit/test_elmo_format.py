"""ELMo's published files: AllenNLP's own example, there and back, and what does not fit together."""

import json
import os
import resource
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import embtrain
from embtrain import formats
from embtrain.config import ElmoArchitecture
from embtrain.contextual_vectors import ContextualVectors
from embtrain.errors import FormatError
from embtrain.formats import elmo
from embtrain.loading import load_words, read_file, write_file
from embtrain.models.elmo.bilm import BiLM
from embtrain.schema import PHRASES, VOCABULARY
from embtrain.text import TextRules, Tokeniser
from embtrain.vectors import Vectors

FIXTURE = Path(os.environ.get("EMBTRAIN_DATA", "../shared/data")) / "fixtures/elmo-allennlp"
SENTENCES = [["the", "cat", "sat"], ["no"]]


@pytest.fixture(scope="module")
def contextual():
    torch.manual_seed(0)
    architecture = ElmoArchitecture(
        char_dim=2, filters=[(1, 3), (2, 2)], activation="tanh", highways=2, projection_dim=4, cell_dim=5, layers=3
    )
    phrases = pa.table([["big"], ["cat"], [9], [1.5], [1]], schema=PHRASES.arrow_schema)
    tokeniser = Tokeniser(TextRules(lowercase=False, split_sentences=False), phrases)
    words, counts = ["the", "cat"], np.array([5, 2])
    return ContextualVectors(BiLM(architecture), vocabulary=words, counts=counts, tokeniser=tokeniser)


@pytest.fixture
def folder(contextual, tmp_path):
    elmo.write(contextual, tmp_path / "elmo")
    return tmp_path / "elmo"


@pytest.mark.shared_data
def test_layers_are_those_that_allennlp_computes_with_the_state_carried_from_batch_to_batch():
    if not FIXTURE.exists():
        pytest.skip(f"needs {FIXTURE}")
    contextual = embtrain.load(FIXTURE)
    sentences = [[text.split() for text in texts] for texts in json.loads((FIXTURE / "sentences.json").read_text())]
    expected = [h5py.File(FIXTURE / f"lm_embeddings_{row}.hdf5") for row in range(3)]
    states = None
    for number in range(10):
        batch, states = contextual.continued([sentences[row][number] for row in range(3)], states)
        for row, layers in enumerate(batch):
            forward, backward = expected[row][str(number)]
            np.testing.assert_allclose(layers[-1], np.concatenate([forward, backward], axis=1), rtol=0, atol=1e-6)


@pytest.mark.shared_data
def test_words_are_those_that_bilm_tf_has_encoded():
    if not FIXTURE.exists():
        pytest.skip(f"needs {FIXTURE}")
    words = (FIXTURE / "vocab_test.txt").read_text().split()
    found = np.stack([layers[0, 0, :16] for layers in embtrain.load(FIXTURE).layers([[word] for word in words])])
    with h5py.File(FIXTURE / "elmo_token_embeddings.hdf5") as file:
        np.testing.assert_allclose(found, file["embedding"][:], rtol=0, atol=1e-6)


def test_what_is_written_is_read_again_bit_for_bit(contextual, folder):
    again = embtrain.load(folder)
    for found, expected in zip(again.layers(SENTENCES), contextual.layers(SENTENCES), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert again.bilm.architecture == contextual.bilm.architecture
    assert again.vocabulary == ["the", "cat"]
    assert again.counts.tolist() == [5, 2]
    assert again.tokeniser == contextual.tokeniser
    assert again.encode_tokens(["The big cat. No!"])[0] == [["The", "big_cat", "No"]]


def square():
    """Return a model of as many filters as a word has numbers."""
    torch.manual_seed(0)
    return BiLM(ElmoArchitecture(char_dim=2, filters=[(1, 4)], projection_dim=4, cell_dim=5, layers=1))


def test_a_missing_projection_to_the_same_size_is_the_identity(tmp_path):
    bilm = square()
    torch.nn.init.eye_(bilm.characters.projection.weight)
    elmo.write(ContextualVectors(bilm), tmp_path / "elmo")
    with h5py.File(tmp_path / "elmo" / "weights.hdf5", "a") as file:
        del file["CNN_proj"]
    expected = ContextualVectors(bilm).layers(SENTENCES)
    for found, layers in zip(embtrain.load(tmp_path / "elmo").layers(SENTENCES), expected, strict=True):
        np.testing.assert_array_equal(found, layers)


def test_an_export_that_bilm_tf_does_not_read_is_told(contextual, tmp_path, caplog):
    write_file(ContextualVectors(square()), tmp_path / "square", "elmo")
    assert "bilm-tf cannot: it needs more filters" in caplog.text
    caplog.clear()
    write_file(contextual, tmp_path / "elmo", "elmo")
    assert caplog.messages == []


def test_the_file_has_the_published_names_and_layouts(folder):
    with h5py.File(folder / "weights.hdf5") as file:
        shapes = {}
        file.visititems(lambda name, item: shapes.update({name: item.shape} if hasattr(item, "shape") else {}))
    cell = "RNN_1/RNN/MultiRNNCell/Cell2/LSTMCell"
    assert shapes["char_embed"] == (261, 2)
    assert shapes["CNN/W_cnn_1"] == (1, 2, 2, 2)
    assert shapes["CNN_high_1/W_carry"] == (5, 5)
    assert shapes["CNN_proj/W_proj"] == (5, 4)
    assert (shapes[f"{cell}/W_0"], shapes[f"{cell}/B"], shapes[f"{cell}/W_P_0"]) == ((8, 20), (20,), (5, 4))
    assert len(shapes) == 1 + 2 * 2 + 2 * 4 + 2 + 2 * 3 * 3


def test_a_published_model_under_its_own_names_has_no_vocabulary(contextual, folder):
    (folder / "options.json").rename(folder / "elmo_2x1024_options.json")
    (folder / "weights.hdf5").rename(folder / "elmo_2x1024_weights.hdf5")
    (folder / "vocabulary.parquet").unlink()
    for file in ("text_rules.json", "phrases.parquet"):
        (folder / file).unlink()
    published = embtrain.load(folder)
    assert (published.vocabulary, published.counts, published.tokeniser) == ([], None, None)
    np.testing.assert_array_equal(published.layers(SENTENCES)[1], contextual.layers(SENTENCES)[1])
    with pytest.raises(FormatError, match="came without a vocabulary"):
        load_words(folder)


def test_a_command_of_word_vectors_gets_the_layer_of_the_words(contextual, folder, tmp_path):
    words = load_words(folder)
    np.testing.assert_array_equal(words["cat"], contextual.words["cat"])
    write_file(contextual, tmp_path / "words.txt", "word2vec")
    assert formats.read(tmp_path / "words.txt").index_to_key == ["the", "cat"]


def test_word_vectors_do_not_become_an_elmo_model(tmp_path):
    with pytest.raises(FormatError, match="expected an ELMo model, found Vectors"):
        write_file(Vectors(["a"], [[1.0]]), tmp_path / "x", "elmo")


def changed(folder, *path, to):
    options = json.loads((folder / "options.json").read_text())
    *sections, key = path
    at = options
    for section in sections:
        at = at[section]
    at[key] = to
    if to is None:
        del at[key]
    (folder / "options.json").write_text(json.dumps(options))


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (("lstm", "dim"), 6, r"does not fit options.json: RNN_0/.*W_0 must be of shape \(8, 24\), found \(8, 20\)"),
        (("lstm", "n_layers"), 4, "Cell3/LSTMCell/W_0 must be of shape .* found no such array"),
        (("char_cnn", "n_characters"), 300, "char_cnn.n_characters must be 261 or 262, found 300"),
        (("char_cnn", "max_characters_per_token"), 30, "char_cnn.max_characters_per_token must be 50, found 30"),
        (("char_cnn", "activation"), "gelu", "options that embtrain cannot compute: activation: .* found 'gelu'"),
        (("char_cnn", "filters"), [[51, 1]], "a word has 50 characters, found a width of 51"),
        (("lstm", "projection_dim"), None, "lacks 'projection_dim'"),
        (("char_cnn",), None, "lacks 'char_cnn'"),
        (("lstm",), [], "expected the options of an ELMo model"),
    ],
)
def test_weights_and_options_that_do_not_fit_are_told_apart_in_a_sentence(folder, path, value, sentence):
    changed(folder, *path, to=value)
    with pytest.raises(FormatError, match=sentence):
        embtrain.load(folder)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("weights.hdf5", b"no HDF5", "weights.hdf5 is no HDF5 file, or damaged"),
        ("options.json", b"{", "options.json: Expecting"),
        ("options.json", b"[" * 100_000, "options.json: maximum recursion depth exceeded"),
        ("text_rules.json", b"{}", "holds no rules of text"),
        ("phrases.parquet", b"{}", "phrases.parquet"),
        ("other_weights.hdf5", b"", "expected one file .weights.hdf5 .* found other_weights.hdf5, weights.hdf5"),
    ],
)
def test_damaged_files_are_named(folder, name, content, sentence):
    (folder / name).write_bytes(content)
    with pytest.raises(FormatError, match=sentence):
        embtrain.load(folder)


def test_a_vocabulary_has_no_nulls(folder):
    words = pa.table([[0, 1], ["the", None], [5, 2]], schema=VOCABULARY.arrow_schema)
    pq.write_table(words, folder / "vocabulary.parquet")
    with pytest.raises(FormatError, match=r"vocabulary.parquet has 1 nulls in its column 'token'; expected words"):
        embtrain.load(folder)


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        (np.full((261, 2), b"a"), r"char_embed must hold floating-point numbers, found \|S1"),
        (np.full((261, 2), 1j), "char_embed must hold floating-point numbers, found complex"),
        (np.full((261, 2), np.nan), "char_embed holds numbers that are not finite"),
    ],
)
def test_weights_that_are_no_finite_numbers_are_refused(folder, numbers, sentence):
    with h5py.File(folder / "weights.hdf5", "a") as file:
        del file["char_embed"]
        file["char_embed"] = numbers
    with pytest.raises(FormatError, match=sentence):
        embtrain.load(folder)


def test_absurd_sizes_take_no_memory(folder):
    changed(folder, "lstm", "dim", to=65536)
    changed(folder, "lstm", "projection_dim", to=4096)
    changed(folder, "lstm", "n_layers", to=10)
    changed(folder, "char_cnn", "filters", to=[[1, 65536]] * 50)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(FormatError, match=r"does not fit options.json"):
        embtrain.load(folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_a_folder_that_is_there_is_not_overwritten(contextual, folder):
    with pytest.raises(FormatError, match="exists already"):
        elmo.write(contextual, folder)


def test_a_folder_that_is_no_model_is_told_of_elmo_too(tmp_path):
    with pytest.raises(FormatError, match=r"in no format that embtrain knows: .*, safetensors, elmo"):
        read_file(tmp_path)


def test_a_folder_without_weights_is_told(folder):
    (folder / "weights.hdf5").unlink()
    with pytest.raises(FormatError, match=r"expected one file \*weights.hdf5 .* found none"):
        read_file(folder, "elmo")

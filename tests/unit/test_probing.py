"""What layers know: tags and contexts read from files, measured on layers with known answers."""

import gzip
import json
import re
import unicodedata

import numpy as np
import pytest
import torch

from embtrain.cli import main
from embtrain.config import ElmoArchitecture
from embtrain.contextual_vectors import ContextualVectors
from embtrain.errors import CorpusError, FormatError, UnknownWordError
from embtrain.evaluation.contextual_similarity import evaluate_contexts, read_context_pairs
from embtrain.formats import elmo
from embtrain.models.elmo.bilm import BiLM
from embtrain.probing.contexts import lines_of, nearest_contexts
from embtrain.probing.layers import compared_names, read_compared, read_layers
from embtrain.probing.part_of_speech import probe_tagging, read_conllu
from embtrain.text import TextRules, Tokeniser
from embtrain.vectors import Vectors

CONLLU = """# text = Don't the cat sit?
1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tDo\tdo\tAUX\t_\t_\t_\t_\t_\t_
2\tn't\tnot\tPART\t_\t_\t_\t_\t_\t_
3\tcats\tcat\tNOUN\t_\t_\t_\t_\t_\t_
3.1\tthat\t_\tPRON\t_\t_\t_\t_\t_\t_

1\tcats\tcat\tNOUN\t_\t_\t_\t_\t_\t_
2\tdo\tdo\tVERB\t_\t_\t_\t_\t_\t_

"""

# Unit vectors of 0, 90 and 180 degrees.
WORDS = Vectors(["east", "north", "west"], np.array([[1, 0], [0, 1], [-1, 0]], np.float32))


@pytest.fixture(scope="module")
def contextual():
    torch.manual_seed(0)
    sizes = ElmoArchitecture(char_dim=3, filters=[(1, 2), (3, 4)], projection_dim=4, cell_dim=6)
    return ContextualVectors(BiLM(sizes), tokeniser=Tokeniser(TextRules(tokenizer="punctuated")))


def conllu(path, *sentences):
    """Write sentences of (form, tag) pairs."""
    rows = [
        "".join(f"{i}\t{form}\t_\t{tag}" + "\t_" * 6 + "\n" for i, (form, tag) in enumerate(sentence, 1)) + "\n"
        for sentence in sentences
    ]
    path.write_text("".join(rows))
    return str(path)


def scws(path, *pairs):
    """Write pairs of contexts with their scores."""
    words = [re.findall("<b> (.*?) </b>", context)[0] for pair in pairs for context in pair[:2]]
    path.write_text(
        "".join(
            f"{i}\t{first}\tn\t{second}\tn\t{a}\t{b}\t{score}\t1.0\n"
            for i, (first, second, (a, b, score)) in enumerate(zip(words[::2], words[1::2], pairs, strict=True))
        )
    )
    return str(path)


@pytest.mark.parametrize("name", ["ud.conllu", "ud.conllu.gz"])
def test_conllu_gives_words_with_their_universal_tags(tmp_path, name):
    data = CONLLU.encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    found = [(sentence.tokens, sentence.tags) for sentence in read_conllu(tmp_path / name)]
    assert found == [(["Do", "n't", "cats"], ["AUX", "PART", "NOUN"]), (["cats", "do"], ["NOUN", "VERB"])]


@pytest.mark.parametrize(
    ("text", "message"),
    [("1\ta\tb\n", "line 1: expected ten columns"), ("# nothing\n\n", "holds no token"), (None, "there is no")],
)
def test_what_is_no_conllu_is_refused(tmp_path, text, message):
    if text is not None:
        (tmp_path / "a.conllu").write_text(text)
    with pytest.raises(FormatError, match=message):
        probe_tagging(WORDS, tmp_path / "a.conllu", tmp_path / "a.conllu")


def test_a_byte_order_mark_hides_no_token(tmp_path):
    (tmp_path / "a.conllu").write_text(CONLLU.partition("\n")[2], encoding="utf-8-sig")
    assert next(read_conllu(tmp_path / "a.conllu")).tokens == ["Do", "n't", "cats"]


def test_a_damaged_conllu_file_is_told(tmp_path):
    damaged = bytearray(gzip.compress(CONLLU.encode() * 100, mtime=0))
    damaged[40] ^= 255
    (tmp_path / "a.conllu.gz").write_bytes(damaged)
    with pytest.raises(FormatError, match=r"a.conllu.gz is cut short or damaged"):
        list(read_conllu(tmp_path / "a.conllu.gz"))


def test_word_vectors_have_one_layer_and_zeros_for_what_they_do_not_know(contextual):
    first, empty = read_layers(WORDS, [["North", "up", "west"], []])
    assert first.tolist() == [[[0, 1], [0, 0], [-1, 0]]]
    assert empty.shape == (1, 0, 2)


def test_the_layers_of_an_elmo_are_compared_with_their_mean(contextual):
    assert compared_names(WORDS) == ["words"]
    assert compared_names(contextual) == ["words", "LSTM 1", "LSTM 2", "mean"]
    [compared], [layers] = (read(contextual, [["east", "west"]]) for read in (read_compared, read_layers))
    np.testing.assert_allclose(compared, [*layers, layers.mean(axis=0)], rtol=1e-6)
    assert read_compared(WORDS, [["east"]])[0].shape == (1, 1, 2)


def test_tokens_are_spelled_as_an_elmo_was_trained(contextual):
    [shouted], [said] = read_layers(contextual, [["EAST"]]), read_layers(contextual, [["east"]])
    assert np.array_equal(shouted, said)
    assert shouted.shape == (3, 1, 8)


def test_a_layer_that_holds_the_tag_is_probed_perfectly(tmp_path):
    known = [[("east", "ADJ"), ("west", "NOUN")]] * 10
    train, test = conllu(tmp_path / "train.conllu", *known), conllu(tmp_path / "test.conllu", [("EAST", "ADJ")])
    found = probe_tagging(WORDS, train, test)
    assert found.layers == {"words": 1}
    assert (found.name, found.by_form, found.train_tokens, found.test_tokens) == ("test", 1, 20, 1)


def test_a_form_that_training_has_not_is_guessed_to_have_the_most_frequent_tag(tmp_path):
    train = conllu(tmp_path / "train.conllu", [("east", "ADJ"), ("west", "NOUN"), ("north", "NOUN")])
    test = conllu(tmp_path / "test.conllu", [("up", "NOUN"), ("down", "ADJ"), ("east", "ADJ")])
    assert probe_tagging(WORDS, train, test).by_form == pytest.approx(2 / 3)


def test_no_more_sentences_are_learned_from_than_hold_the_tokens_asked_for(tmp_path):
    path = conllu(tmp_path / "train.conllu", *[[("east", "ADJ"), ("west", "NOUN"), ("north", "NOUN")]] * 5)
    found = probe_tagging(WORDS, path, path, max_tokens=4)
    assert (found.train_tokens, found.test_tokens) == (6, 15)


def test_one_part_of_speech_is_none_to_tell_apart(tmp_path):
    path = conllu(tmp_path / "train.conllu", [("east", "ADJ")])
    with pytest.raises(FormatError, match="has one part of speech, 'ADJ'"):
        probe_tagging(WORDS, path, path)


def test_a_word_in_context_is_what_stands_between_the_marks(tmp_path):
    path = scws(tmp_path / "a.txt", ("go <b> north </b> now", "the <b> far west </b>", 2.5))
    [pair] = read_context_pairs(path)
    assert (pair.a.tokens, pair.a.first, pair.a.last) == (["go", "north", "now"], 1, 2)
    assert (pair.b.tokens, pair.b.first, pair.b.last) == (["the", "far", "west"], 1, 3)
    assert pair.score == 2.5


def test_cosines_in_the_order_of_the_scores_correlate_perfectly(tmp_path):
    east, north, west = (f"go <b> {word} </b> now" for word in ("east", "north", "west"))
    path = scws(tmp_path / "a.txt", (east, east, 9.0), (east, north, 5.0), (east, west, 1.0))
    found = evaluate_contexts(WORDS, path)
    assert (found.name, found.layers, found.pairs) == ("a", {"words": pytest.approx(1)}, 3)


def test_pairs_of_one_word_are_also_measured_by_themselves(tmp_path, contextual):
    here, there, north, west = "a <b> bank </b> b", "the <b> bank </b>", "go <b> north </b> now", "far <b> west </b>"
    path = scws(tmp_path / "a.txt", (here, here, 9.0), (here, there, 5.0), (here, north, 3.0), (north, west, 1.0))
    found = evaluate_contexts(contextual, path)
    assert (found.pairs, found.pairs_of_one_word) == (4, 2)
    assert found.of_one_word == pytest.approx({"words": None, "LSTM 1": 1, "LSTM 2": 1, "mean": 1})
    assert all(abs(value) == pytest.approx(1) for value in found.of_two_words.values())


def test_a_layer_that_sees_no_difference_has_no_correlation(tmp_path, contextual):
    path = scws(tmp_path / "a.txt", *[("<b> a </b> b c", f"{word} <b> a </b> d", i) for i, word in enumerate("xyz")])
    found = evaluate_contexts(contextual, path).layers
    assert found["words"] is None
    assert -1 <= found["LSTM 2"] <= 1


@pytest.mark.parametrize(
    "line", ["a\tb\t3\n", "1\ta\tn\tb\tn\tno mark\t<b> b </b>\t3\n", "1\ta\tn\tb\tn\t<b> </b>\t<b> b </b>\t3\n"]
)
def test_a_line_that_is_no_pair_in_context_is_named(tmp_path, line):
    (tmp_path / "a.txt").write_text(line)
    with pytest.raises(FormatError, match="line 1: expected number, word, part of speech"):
        evaluate_contexts(WORDS, tmp_path / "a.txt")


def test_the_nearest_context_is_the_one_that_differs_least(contextual):
    among = ["They sat on the bank of a river", "no such word", "My bank, gave me money", "banks"]
    [found] = nearest_contexts(contextual, "bank", ["They sat on the bank of the river"], among, layer=2)
    assert str(found.asked) == "they sat on the [bank] of the river"
    assert [str(occurrence) for occurrence, _ in found.found] == [
        "they sat on the [bank] of a river", "my [bank] , gave me money",
    ]  # fmt: skip
    assert found.found[0][1] > found.found[1][1]


def test_a_text_is_searched_sentence_by_sentence(contextual):
    among = ["The bank of England. My bank is not far. No such word!"]
    [found] = nearest_contexts(contextual, "bank", ["a bank"], among)
    assert {str(occurrence) for occurrence, _ in found.found} == {"the [bank] of england .", "my [bank] is not far ."}


def test_in_the_layer_of_words_all_occurrences_are_alike(contextual):
    [found] = nearest_contexts(contextual, "Bank", ["a bank"], ["the bank", "a bank", "on bank"], layer=0)
    assert [score for _, score in found.found] == pytest.approx([1, 1])


def test_a_sentence_is_read_once_however_often_it_has_the_word(contextual, monkeypatch):
    read, layers = [], contextual.layers
    monkeypatch.setattr(contextual, "layers", lambda sentences: read.extend(sentences) or layers(sentences))
    asked, among = "bank to bank", ["a bank is a bank is a bank", "my bank", "a bank is a bank is a bank"]
    found = nearest_contexts(contextual, "bank", [asked], among, topn=7)
    assert read == [text.split() for text in [asked, *among[:2]]]
    assert [len(near.found) for near in found] == [7, 7]
    own = {str(near): score for near, score in found[0].found}
    alone = nearest_contexts(contextual, "bank", [asked], ["my bank"])[0].found
    assert own["my [bank]"] == pytest.approx(alone[0][1], abs=1e-6)


@pytest.mark.parametrize(
    ("word", "sentence", "rules"),
    [
        ("카페", unicodedata.normalize("NFD", "저 카페 앞"), TextRules(tokenizer="punctuated")),
        (unicodedata.normalize("NFD", "카페"), "저 카페 앞", TextRules(tokenizer="punctuated")),
        ("B2B", "a b2b shop", TextRules(tokenizer="punctuated", digits="zero")),
        ("카페", "저 카페 앞", TextRules(tokenizer="jamo", language="ko")),
        ("bank.", "The Bank \udcff", TextRules(lowercase=False)),
    ],
)
def test_a_word_is_found_however_it_is_spelled(contextual, word, sentence, rules):
    other = ContextualVectors(contextual.bilm, tokeniser=Tokeniser(rules))
    [found] = nearest_contexts(other, word, [sentence], [f"또 {sentence}", "nothing"])
    assert len(found.found) == 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"sentences": ["no such"]}, UnknownWordError, "the sentence 'no such' has not the word 'bank'"),
        ({"among": ["nothing"]}, CorpusError, "no other sentence has the word 'bank'"),
        ({"layer": 3}, CorpusError, "the model has layers 0 to 2, found 3"),
    ],
)
def test_contexts_that_are_not_there_are_told(contextual, arguments, error, message):
    asked = {"sentences": ["the bank"], "among": ["a bank"], **arguments}
    with pytest.raises(error, match=message):
        nearest_contexts(contextual, "bank", **asked)


def test_commands_show_layers_and_contexts(tmp_path, contextual, capsys):
    elmo.write(contextual, tmp_path / "elmo")
    tags = conllu(tmp_path / "ud.conllu", *[[("east", "ADJ"), ("west", "NOUN")]] * 3)
    pairs = scws(tmp_path / "scws.txt", ("<b> a </b>", "<b> b </b>", 1), ("<b> a </b> c", "<b> a </b>", 9))
    (tmp_path / "text.txt").write_text("The bank of England\nsat on the bank\n")
    model = str(tmp_path / "elmo")
    assert main(["probe", model, "--tags", tags, tags, "--contexts", pairs]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:6]] == ["words", "LSTM", "LSTM", "mean", "(form"]
    assert lines[0].split() == ["ud", "scws", "one", "word", "two", "words"]
    assert main(["probe", model, "--contexts", pairs, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tags"] is None
    assert abs(found["contexts"]["layers"]["LSTM 2"]) == pytest.approx(1)  # two pairs are in order or not
    asked = ["contexts", "bank", "a river bank", "--model", model, "--among", str(tmp_path / "text.txt"), "-k", "1"]
    assert main(asked) == 0
    assert capsys.readouterr().out.splitlines()[0] == "a river [bank]"
    assert main([*asked, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)[0]["contexts"]) == 1


def test_what_the_commands_cannot_do_is_told_in_a_sentence(tmp_path, capsys):
    (tmp_path / "words.txt").write_text("east 1 0\nwest -1 0\n")
    assert main(["probe", str(tmp_path / "words.txt")]) == 2
    assert "give at least one of --tags and --contexts" in capsys.readouterr().err
    words = ["--model", str(tmp_path / "words.txt"), "--among", str(tmp_path / "words.txt")]
    assert main(["contexts", "east", "east", *words]) == 2
    assert "holds word vectors, which are the same in every sentence" in capsys.readouterr().err
    with pytest.raises(FormatError, match=r"none.txt"):
        list(lines_of(tmp_path / "none.txt"))

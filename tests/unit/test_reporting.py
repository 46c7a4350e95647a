"""Reports: what a page says of word vectors and of an ELMo, and what it refuses."""

from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from embtrain.cli import main
from embtrain.config import ElmoArchitecture
from embtrain.contextual_vectors import ContextualVectors
from embtrain.formats import elmo, write
from embtrain.models.elmo.bilm import BiLM
from embtrain.reporting.content import sample_words
from embtrain.reporting.page import Table, write_page
from embtrain.text import TextRules, Tokeniser
from embtrain.vectors import Vectors


class Cells(HTMLParser):
    """Collects the text between tags, and checks that tags are closed in their order."""

    def __init__(self):
        super().__init__()
        self.open, self.texts = [], []

    def handle_starttag(self, tag, _):
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip():
            self.texts.append(data.strip())


def texts_of(path):
    parser = Cells()
    parser.feed(path.read_text(encoding="utf-8"))
    assert parser.open == []
    return parser.texts


@pytest.fixture
def words(tmp_path):
    vectors = Vectors(["east", "north", "<b>"], np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32))
    write(vectors, tmp_path / "words.txt", "word2vec")
    return str(tmp_path / "words.txt")


def test_a_page_holds_its_tables_and_no_markup_of_their_cells(tmp_path):
    facts, empty = Table("Facts & more", [("a", "<i>"), ("b", "2")]), Table("Empty", [])
    write_page(tmp_path / "page.html", "A <model>", [facts, empty, Table("Long", [("x", "y")], "note", is_folded=True)])
    title, _, *shown = texts_of(tmp_path / "page.html")
    assert title == "A <model>"
    assert shown == ["A <model>", "Facts & more", "a", "<i>", "b", "2", "Long", "show", "note", "x", "y"]


def test_a_report_on_word_vectors_lists_neighbours(words, tmp_path, capsys):
    assert main(["report", words, str(tmp_path / "page.html"), "--word", "east"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'page.html'}\n"
    texts = texts_of(tmp_path / "page.html")
    assert "Vectors(3 words x 2)" in texts[0]
    assert texts[-2:] == ["east", "<b> 0.60  north 0.00"]


def test_a_report_on_an_elmo_shows_where_a_word_is_used_so(tmp_path):
    torch.manual_seed(0)
    sizes = ElmoArchitecture(char_dim=3, filters=[(1, 2), (3, 4)], projection_dim=4, cell_dim=6)
    elmo.write(ContextualVectors(BiLM(sizes), tokeniser=Tokeniser(TextRules())), tmp_path / "elmo")
    (tmp_path / "text.txt").write_text("The bank of England\n")
    asked = ["--contexts", "bank", "a river bank", "the bank", "--among", str(tmp_path / "text.txt")]
    assert main(["report", str(tmp_path / "elmo"), str(tmp_path / "page.html"), *asked]) == 0
    texts = texts_of(tmp_path / "page.html")
    assert "a river [bank]" in texts
    assert texts.count("the [bank] of england") == 2
    assert "Nearest words" not in texts  # no vocabulary to choose from


def test_words_to_show_are_of_letters_and_of_all_ranks():
    words = [f"w{'x' * (rank % 7)}{rank}" if rank % 2 else "x" * (rank + 1) for rank in range(200)]
    found = sample_words(Vectors(words, np.ones((200, 1), np.float32)))
    assert len(found) == 12
    assert found == sorted(found, key=words.index)
    assert all(word.isalpha() for word in found)
    assert sample_words(Vectors(["1", "a"], np.ones((2, 1), np.float32))) == ["a"]


def test_what_cannot_be_reported_is_told_in_a_sentence(words, tmp_path, capsys):
    page = str(tmp_path / "page.html")
    for arguments, sentence in (
        (["--contexts", "east", "a", "b"], "--contexts and --among belong together"),
        (["--contexts", "east", "a", "b", "--among", words], "which are the same in every sentence"),
        (["--word", "eats"], "did you mean 'east'?"),
    ):
        assert main(["report", words, page, *arguments]) == 2
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()
    assert main(["report", words, str(tmp_path / "none" / "page.html")]) == 2
    assert "there is no folder" in capsys.readouterr().err

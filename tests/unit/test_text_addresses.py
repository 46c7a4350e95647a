"""URLs and mail addresses: what is one, and what becomes of it."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embtrain.text import TextRules, sentences, tokenise

MARK = TextRules(urls="mark")
KOREAN = TextRules(language="ko", urls="mark")


def tokens(text, rules=MARK):
    return tokenise(pa.array([text], pa.string()), rules).to_pylist()[0]


@pytest.mark.parametrize(
    "address",
    [
        *("http://example.com", "https://example.com/a/b-c_d?e=f&g=%20#h", "HTTP://EXAMPLE.COM/", "ftp://a.b:21/~c"),
        *("www.example.org", "https://user:word@example.com/", "http://[::1]/a", "http://a.b/c,d;e(f)g"),
    ],
)
def test_a_url_becomes_one_token(address):
    assert tokens(f"see {address} now") == ["see", "<url>", "now"]


@pytest.mark.parametrize("address", ["a@b.org", "first.last+tag@mail.example.co.kr", "mailto:a@b.org", "A_B@C-D.ORG"])
def test_a_mail_address_becomes_one_token(address):
    assert tokens(f"write to {address} now") == ["write", "to", "<email>", "now"]


@pytest.mark.parametrize("text", ["at 5 @home", "a @ b.org", "http://", "awww.nice", "user@host", "1.5"])
def test_what_only_looks_like_an_address_is_none(text):
    assert not {"<url>", "<email>"} & set(tokens(text))


@pytest.mark.parametrize("after", [".", ",", "!", "?)", ")", '"', "...", "\u201d", ">"])
def test_what_closes_the_sentence_is_no_part_of_the_address(after):
    rules = TextRules(tokenizer="whitespace", urls="mark")
    assert tokens(f"http://a.b/c{after} Next", rules) == ["<url>", after, "next"]
    assert tokens(f"a@b.org{after} Next", rules) == ["<email>", after, "next"]


def test_a_korean_particle_is_no_part_of_the_address():
    assert tokens("https://example.com/a에서 a@b.kr로", KOREAN) == ["<url>", "에서", "<email>", "로"]


def test_a_sentence_ends_after_an_address():
    assert sentences(pa.array(["See www.a.org. Then go."]), MARK).to_pylist() == ["see <url>", "then go"]


def test_addresses_can_be_dropped():
    assert tokens("see http://a.b/c or a@b.org now", TextRules(urls="drop")) == ["see", "or", "now"]


def test_addresses_are_left_to_the_tokenizer_unless_asked_for():
    assert tokens("a@b.org", TextRules()) == ["a", "b", "org"]
    assert tokens("a@b.org", TextRules(tokenizer="whitespace")) == ["a@b.org"]


def test_a_text_whose_addresses_are_marked_already_keeps_the_marks():
    assert tokens("see <url> or <email>") == ["see", "<url>", "or", "<email>"]


@given(st.lists(st.sampled_from(["http://a.b/c", "a@b.org", "\ufdd0", "word", ",", "'", "<url>"])), st.booleans())
def test_marks_stand_for_addresses_and_for_nothing_else(parts, drop):
    names = {"http://a.b/c": "<url>", "<url>": "<url>", "a@b.org": "<email>", "word": "word"}
    expected = [names[part] for part in parts if part in names and not (drop and names[part] != "word")]
    assert tokens(" ".join(parts), TextRules(urls="drop" if drop else "mark")) == expected

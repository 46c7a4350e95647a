"""What is read of a page of Wikipedia."""

import mwparserfromhell
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embtrain.text.wikitext import plain_text

UNREAD = ("file", "category", "파일", "사진첩 둘")


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("'''Cats''' are ''small'' [[animal|animals]].", "Cats are small animals."),
        ("[[Cat]]s, [[:Category:Cats|a [[category]]]]", "Cats, a category"),
        ("[https://example.org a page] [https://example.org] https://example.org.", "a page  ."),
        ("a{{infobox|name=Cat|b={{c}}}}b", "ab"),
        ("a<ref name=x>''b''</ref>c<ref name=x/>d", "acd"),
        ("a<!-- b -->c", "ac"),
        ("a\n{| class=x\n! b\n|-\n| c\n|}\nd", "a\n\nd"),
        ("a [[File:Cat.jpg|thumb|A [[cat]]]]b[[category : Cats]] [[파일:고양이.jpg|섬네일]]", "a b "),
        ("[[사진첩_둘:고양이.jpg]]", ""),
        ("<math>x^2</math><gallery>\nFile:a.jpg|x\n</gallery><Code>y</Code>", ""),
        ("<small>a</small><br/>b<br>c &amp; &#44032;&nbsp;d", "a\nb\nc & 가\xa0d"),
        ("== Cats ==\n* one\n# two\n; three : four", " Cats \n one\n two\n three  four"),
        ("고양이는 '''[[동물]]'''이다.", "고양이는 동물이다."),
        ("", ""),
    ],
)
def test_a_reader_reads_the_running_text(markup, text):
    assert plain_text(markup, UNREAD) == text


@pytest.mark.parametrize("markup", ["''a'' [[b|c]] {{d}} &lt;e", "== a ==\n''b''", "a <b>b</b> [http://c.d e]"])
def test_where_all_is_running_text_it_is_the_parsers_own(markup):
    # Which also strips white space at the ends.
    assert plain_text(markup, UNREAD).strip() == mwparserfromhell.parse(markup).strip_code(collapse=False).strip()


@given(st.text(st.sampled_from("[]{}|<>='/!-*:;&refa \n")))
def test_broken_markup_is_read_somehow(markup):
    assert isinstance(plain_text(markup, UNREAD), str)

"""Korean: words without particles and endings, and syllables taken apart to letters."""

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
from embtrain.errors import SetupError
from embtrain.text import TextRules, morphemes, sentences, tokenise
from embtrain.text.jamo import compose, decompose

MORPHEMES = TextRules(language="ko", tokenizer="morphemes")
JAMO = TextRules(language="ko", tokenizer="jamo")

korean = st.text(st.characters(min_codepoint=ord("가"), max_codepoint=ord("힣")) | st.sampled_from("ㄱㄳㅅㅏㅢ-aé"))


def tokens(text, rules):
    return tokenise(pa.array([text], pa.string()), rules).to_pylist()[0]


def analysed(text, **rules):
    pytest.importorskip("kiwipiepy", reason="Kiwi is an extra: pip install -e '.[korean]'")
    return tokens(text, TextRules(language="ko", tokenizer="morphemes", **rules))


# --- letters -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("갔다", "ㄱㅏㅆㄷㅏ-"),
        ("자연어", "ㅈㅏ-ㅇㅕㄴㅇㅓ-"),
        ("닭값", "ㄷㅏㄺㄱㅏㅄ"),
        ("ㅋㅋㅋ", "ㅋㅋㅋ"),
        ("kbs의", "kbsㅇㅢ-"),
        ("ㅅㅏ랑", "ㅅ-ㅏㄹㅏㅇ"),
    ],
)
def test_a_syllable_becomes_three_letters_and_all_else_stays(text, letters):
    assert decompose(text) == letters
    assert compose(letters) == text


@given(korean | st.text())
def test_letters_are_put_together_to_the_text_that_was_taken_apart(text):
    assert compose(decompose(text)) == text


@given(st.characters(min_codepoint=ord("가"), max_codepoint=ord("힣")))
def test_every_syllable_has_three_letters(syllable):
    assert len(decompose(syllable)) == 3


@given(korean)
def test_letters_match_the_reference(text):
    word = text.replace("-", "")
    assert decompose(word) == reference.decompose(word)


def test_the_tokenizer_jamo_takes_words_apart():
    assert tokens("'기생충'은 영화다.", JAMO) == ["ㄱㅣ-ㅅㅐㅇㅊㅜㅇ", "ㅇㅡㄴ", "ㅇㅕㅇㅎㅘ-ㄷㅏ-"]


def test_decomposed_korean_has_the_same_letters():
    assert tokens(unicodedata.normalize("NFD", "값"), JAMO) == ["ㄱㅏㅄ"]


# --- morphemes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("아버지가 방에 들어가셨다.", ["아버지", "방", "들어가다"]),
        (
            "한국어를 공부하는 학생들이 빨간 단풍을 보러 갔다.",
            ["한국어", "공부", "학생", "빨갛다", "단풍", "보다", "가다"],
        ),
        ("친구를 도와주었고 음악을 들었다", ["친구", "돕다", "음악", "듣다"]),
        ("LG전자는 1박 2일 KBS와 함께", ["lg전자", "1", "2", "kbs", "함께"]),
        ("대한민국(大韓民國)의 인구는 51,000,000명이다.", ["대한민국", "大韓民國", "인구", "51,000,000"]),
        ("존잼 ㅋㅋㅋ 최고 ♥♥ ^^", ["존잼", "ㅋㅋㅋ", "최고"]),
    ],
)
def test_words_remain_without_particles_and_endings(text, expected):
    assert analysed(text) == expected


def test_the_parts_of_speech_that_are_kept_can_be_chosen():
    text = "아름다운 서울에서 친구를 만났다"
    assert analysed(text, parts_of_speech=("NNG", "NNP")) == ["서울", "친구"]
    assert analysed(text, parts_of_speech=("VA", "VV")) == ["아름답다", "만나다"]
    assert analysed(text, parts_of_speech=("JKB", "JKO")) == ["에서", "를"]


def test_endings_are_written_in_letters_that_people_type():
    assert analysed("간다", parts_of_speech=("VV", "EF")) == ["가다", "ㄴ다"]


def test_digits_and_case_of_morphemes_follow_the_rules():
    assert analysed("KBS는 1990년에", digits="zero", lowercase=False) == ["KBS", "0000"]


def test_a_date_gives_its_numbers():
    assert analysed("2005. 3. 1. 서울") == ["2005", "3", "1", "서울"]


def test_a_name_of_several_words_stays_several_tokens():
    assert analysed("아이작 뉴턴은 유클리드의 원론을") == ["아이작", "뉴턴", "유클리드", "원론"]


@pytest.mark.parametrize("particle", ["에", "로", "은", "를", "가", "의", "에서"])
def test_the_particle_of_an_address_is_known_for_one(particle):
    assert analysed(f"그는 https://a.b/c{particle} 편지를", urls="mark") == ["그", "<url>", "편지"]
    assert analysed(f"그는 a@b.org{particle} 편지를", urls="drop") == ["그", "편지"]


def test_emoji_are_no_addresses():
    assert analysed("🔗 서울 📧 부산 😀", urls="mark") == ["서울", "부산"]


def test_an_endless_run_of_letters_is_dropped_in_no_time():
    assert analysed("앞 " + "a" * 1_000_000 + " 뒤") == ["앞", "뒤"]


def test_sentences_are_split_by_the_same_rule_as_for_words():
    pytest.importorskip("kiwipiepy")
    assert sentences(pa.array(["비가 온다. 집에 가자!"]), MORPHEMES).to_pylist() == ["비 오다", "집 가다"]


def test_morphemes_do_not_depend_on_the_batch():
    pytest.importorskip("kiwipiepy")
    texts = ["", "나는 사과를 먹었다", "ㅋㅋ", "나는", "배가 고프다", " "]
    assert tokenise(pa.array(texts), MORPHEMES).to_pylist() == [tokens(text, MORPHEMES) for text in texts]


@given(st.text(max_size=30) | st.text(st.sampled_from("가나다는을 .\x00ㅋᆫᆞa1,"), max_size=30))
def test_a_morpheme_has_a_letter_or_a_digit_and_no_white_space(text):
    for token in analysed(text):
        # Python's tables may be older than those by which a character is a letter, and know nothing of it.
        categories = {unicodedata.category(character) for character in token}
        assert any(category == "Cn" or category[0] in "LN" for category in categories)
        assert not any(character.isspace() for character in token)


def test_without_kiwi_it_is_said_how_to_install_it(monkeypatch):
    monkeypatch.setattr(morphemes, "KIWI_PACKAGES", ("no-such-package",))
    with pytest.raises(SetupError, match=r"needs Kiwi.*pip install 'embtrain\[korean\]'"):
        morphemes.kiwi_version()

"""Korean syllables and the letters (jamo) that they are made of.

Subwords of Korean are sequences of letters rather than of syllables (Park et al., 2018, ACL P18-1226): 갔다
(went) and 가다 (go) share no first syllable, but their first two letters. A syllable becomes three letters:
initial consonant, vowel, final consonant, ``-`` where there is none: 갔다 is ㄱㅏㅆㄷㅏ-.

The letters are those of the compatibility block (ㄱ U+3131 to ㅣ U+3163), which keyboards and readers know and
which normal form C does not put together again. People type them too (ㅋㅋㅋ, ㅠㅠ). Those stay as they are;
only a consonant before a vowel gets a ``-`` between the two, since it would read as the start of a syllable.
"""

from __future__ import annotations

import re
from functools import cache

NO_FINAL = "-"
"""Stands for the final consonant of a syllable without one."""

# In Unicode's order: syllable = 0xAC00 + (initial * 21 + vowel) * 28 + final.
_INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_FINALS = NO_FINAL + "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_FIRST_SYLLABLE = 0xAC00

# A consonant and a vowel that stand by themselves, and in the letters also a syllable.
_LONE = re.compile(f"([{_INITIALS}])({NO_FINAL}*)([{_VOWELS}])")
_LETTERS = re.compile(f"([{_INITIALS}])([{_VOWELS}])([{_FINALS}])|([{_INITIALS}]){NO_FINAL}({NO_FINAL}*[{_VOWELS}])")


def decompose(text: str) -> str:
    """Take the syllables of a text apart to letters; all else stays.

    ``compose(decompose(text)) == text`` for every text.

    Args:
        text: in normal form C.
    """
    return _LONE.sub(rf"\1{NO_FINAL}\2\3", text).translate(_letters_of_syllables())


def compose(text: str) -> str:
    """Put the letters of a text that :func:`decompose` has taken apart together to syllables."""
    return _LETTERS.sub(_put_together, text)


@cache
def _letters_of_syllables() -> dict[int, str]:
    syllables = (i + v + f for i in _INITIALS for v in _VOWELS for f in _FINALS)
    return dict(enumerate(syllables, start=_FIRST_SYLLABLE))


def _put_together(match: re.Match[str]) -> str:
    initial, vowel, final, lone_initial, rest = match.groups()
    if lone_initial:
        return f"{lone_initial}{rest}"
    block = _INITIALS.index(initial) * len(_VOWELS) + _VOWELS.index(vowel)
    return chr(_FIRST_SYLLABLE + block * len(_FINALS) + _FINALS.index(final))

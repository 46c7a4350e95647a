"""Korean words without their particles and endings, by Kiwi (https://github.com/bab2min/kiwipiepy).

Kiwi finds morphemes and their parts of speech by a dictionary and a language model of its own, which come with
the package. It takes 3 seconds and half a gigabyte to start, and is started once in a process.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyarrow.compute as pc

from embtrain.errors import SetupError
from embtrain.text.addresses import EMAIL_MARK, MARKS, URL_MARK

if TYPE_CHECKING:
    from kiwipiepy import Token

# fmt: off
PartOfSpeech = Literal[
    "NNG", "NNP", "NNB", "NP", "NR",  # nouns, names, bound nouns, pronouns, numerals
    "VV", "VA", "VX", "VCP", "VCN",  # verbs, adjectives, auxiliary verbs, copula, negative copula
    "MM", "MAG", "MAJ", "IC",  # determiners, adverbs, conjunctive adverbs, interjections
    "XR", "XPN", "XSN", "XSV", "XSA", "XSM",  # roots, prefixes, suffixes
    "JKS", "JKC", "JKG", "JKO", "JKB", "JKV", "JKQ", "JX", "JC",  # particles
    "EP", "EF", "EC", "ETN", "ETM",  # endings
    "SL", "SH", "SN", "SW", "UN",  # other scripts, Chinese characters, numbers, letters by themselves, unknown
]
"""Kiwi's tags, but those of punctuation; ``SW`` are symbols to Kiwi, of which only letters (ㅋㅋ) are kept."""

DEFAULT_PARTS_OF_SPEECH: tuple[PartOfSpeech, ...] = (
    "NNG", "NNP", "NP", "NR", "VV", "VA", "MM", "MAG", "MAJ", "IC", "XR", "SL", "SH", "SN", "SW",
)
"""Words that mean something by themselves."""
# fmt: on

KIWI_PACKAGES = ("kiwipiepy", "kiwipiepy_model")
"""What the tokeniser ``morphemes`` needs."""

# What the tokenizer ``words`` takes for no word is none here.
_NO_WORDS = rf"(^| )[^\p{{L}}\p{{N}}{MARKS}]+( |$)"

# Kiwi's time grows with the square of a run of Latin letters, so that an encoded file would hold a task up for days.
# What is left of such a run is still longer than any token may be.
_ENDLESS = "([A-Za-z]{1000})[A-Za-z]+"

# What Kiwi is given for a mark: it finds the particle after an emoji, but not after just any symbol.
_STAND_INS = {URL_MARK: "🔗", EMAIL_MARK: "📧"}


def kiwi_version() -> str:
    """Return the version of Kiwi and its model, on which tokens depend.

    Raises:
        SetupError: if it is not installed.
    """
    try:
        return ", ".join(f"{package} {version(package)}" for package in KIWI_PACKAGES)
    except PackageNotFoundError:
        raise SetupError(
            "corpus.tokenizer: morphemes needs Kiwi, which is not installed here: pip install 'embtrain[korean]'"
        ) from None


def separate_morphemes(texts: pa.Array, parts_of_speech: Collection[str], *, marked: bool = False) -> pa.Array:
    """Keep the morphemes of some parts of speech, verbs and adjectives in their dictionary form (갔다: 가다).

    Args:
        texts: strings in normal form C and in their own case, which Kiwi's dictionary knows. Shape ``(N,)``.
        parts_of_speech: Kiwi's tags, without the mark of irregular verbs: ``VV`` for ``VV-I`` as well.
        marked: addresses have been replaced by marks, which are tokens too.

    Returns:
        String array, shape ``(N,)``: the morphemes, separated by single blanks.

    Raises:
        SetupError: if Kiwi is not installed.
    """
    kept = {tag + ending for tag in parts_of_speech for ending in ("", "-I", "-R")}
    if marked:
        kept.add("W_EMOJI")
        for mark, emoji in _STAND_INS.items():
            texts = pc.replace_substring(pc.replace_substring(texts, emoji, " "), mark, emoji)
    analysed = _analyser()(pc.replace_substring_regex(texts, _ENDLESS, r"\1").to_pylist())
    # Kiwi gives a list of Python objects per text; this loop is the way out of them.
    morphemes = pa.array(
        [" ".join([token.lemma for token in text if token.tag in kept]) for text in analysed], texts.type
    )
    if marked:
        for mark, emoji in _STAND_INS.items():
            morphemes = pc.replace_substring(morphemes, emoji, mark)
    # The full stop of an ordinal or an abbreviation (1., U.S.) is left out as well.
    without_stops = pc.replace_substring_regex(morphemes, r"\.+( |$)", " ")
    return pc.utf8_trim(pc.replace_substring_regex(without_stops, _NO_WORDS, " "), " ")


@cache
def _analyser() -> Callable[[list[str]], Iterable[list[Token]]]:
    """Start Kiwi."""
    kiwi_version()
    from kiwipiepy import Kiwi, Match  # noqa: PLC0415 - an extra, and slow to start

    # One thread: Spark starts a process per core. Names of several words (아이작 뉴턴) stay so many tokens, as
    # in other text; embtrain's phrases join what the corpus itself joins.
    kiwi = Kiwi(num_workers=1, load_multi_dict=False)
    # Of the patterns that it knows only emoji are wanted: #words and @words are words, as are parts of addresses.
    return partial(kiwi.tokenize, match_options=Match.EMOJI, compatible_jamo=True)

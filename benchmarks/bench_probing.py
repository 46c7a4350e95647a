"""What each layer of an ELMo knows: parts of speech in English and Korean, and similarity of words in context.

The biLMs are trained the first time, on articles of Wikipedia. The peer is the layer of words, which knows no context.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from typing import Any

import harness
from registered import model_of

WORK = harness.WORK / "probing"
TAGS = {"en": "ud/en_ewt-ud-{}.conllu.gz", "ko": "ud/ko_gsd-ud-{}.conllu.gz"}
CONTEXTS = "eval/en/scws/ratings.txt"


@dataclass(frozen=True)
class Trained:
    """What a biLM is trained on: so many characters of a file of articles."""

    articles: str
    characters: int
    min_count: int
    model: dict[str, Any] = field(default_factory=dict)


TRAINED = {
    "en": Trained("corpora/enwiki-docs.txt.gz", 60_000_000, min_count=3),
    # A Korean syllable is three bytes: filters of one byte, of a syllable, of two.
    "ko": Trained(
        "corpora/kowiki-docs.txt.gz", 10_000_000, min_count=1, model={"filters": [[1, 32], [3, 64], [6, 128]]}
    ),
}


def bilm(language: str) -> str:
    """Return the biLM of a language."""
    trained = TRAINED[language]
    WORK.mkdir(parents=True, exist_ok=True)
    text = WORK / f"articles-{language}.txt"
    with gzip.open(harness.data_file(trained.articles), "rt", encoding="utf-8") as file:
        text.write_text(file.read(trained.characters), encoding="utf-8")
    tokens = {"tokenizer": "punctuated", "lowercase": False}
    return model_of(
        {
            "name": f"probing-{language}",
            "snapshot": str(WORK / f"snapshot-{language}"),
            "tables": ["characters"],
            "corpus": {"paths": [str(text)], "language": language, "held_out": 0.01, **tokens},
            "vocabulary": {"min_count": trained.min_count},
            "model": {"type": "elmo", **trained.model},
            "train": {"epochs": 1},
        },
        WORK,
    )


def probe(language: str) -> dict[str, float]:
    """Return what was measured of each layer, in points of 100, by the names of the measure and the layer."""
    from embtrain.evaluation.contextual_similarity import evaluate_contexts
    from embtrain.loading import load
    from embtrain.probing.part_of_speech import probe_tagging

    model = load(bilm(language))
    train, test = (harness.data_file(TAGS[language].format(part)) for part in ("train", "test"))
    tagging = probe_tagging(model, train, test)
    found = {f"tags {language}, {layer}": value for layer, value in tagging.layers.items()}
    found[f"tags {language}, form alone"] = tagging.by_form
    if language == "en":
        similarity = evaluate_contexts(model, harness.data_file(CONTEXTS))
        for name, layers in (
            ("contexts", similarity.layers),
            ("one word", similarity.of_one_word),
            ("two words", similarity.of_two_words),
        ):
            found |= {f"{name}, {layer}": value or 0.0 for layer, value in layers.items()}
    return {name: round(100 * value, 1) for name, value in found.items()}


def main() -> None:
    """Make the models, probe their layers, and print every figure and the result."""
    options = harness.arguments(str(__doc__).splitlines()[0])
    found = {language: harness.in_fresh_process(probe, language) for language in TAGS}
    every = {name: value for of_language in found.values() for name, value in of_language.items()}
    for name, value in every.items():
        harness.say(f"{name:24s} {value:6.1f}", quiet=options.json)
    without = ("words", "form alone")
    quality = {
        "ours": {name: value for name, value in every.items() if not name.endswith(without)},
        "peer": {name: value for name, value in every.items() if name.endswith(without)},
    }
    ours, peer = (100 - every[f"tags en, {layer}"] for layer in ("LSTM 1", "words"))
    harness.finish(
        harness.Result("probing", "% of English tokens tagged wrongly", ours, peer, "words alone", peer / ours, quality)
    )


if __name__ == "__main__":
    main()

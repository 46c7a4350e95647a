"""What each layer of an ELMo knows: parts of speech in English and Korean, and similarity of words in context.

The English biLM is that of bench_sms.py; the Korean one is trained the first time, on articles of Wikipedia. The peer
is the layer of words, which knows no context.
"""

from __future__ import annotations

import gzip

import bench_sms
import harness
from registered import model_of

WORK = harness.WORK / "probing"
ARTICLES = "corpora/kowiki-docs.txt.gz"
TAGS = {"en": "ud/en_ewt-ud-{}.conllu.gz", "ko": "ud/ko_gsd-ud-{}.conllu.gz"}
CONTEXTS = "eval/en/scws/ratings.txt"

KOREAN_CHARACTERS = 5_000_000
"""Of Wikipedia."""

KOREAN_FILTERS = [[1, 32], [3, 64], [6, 128]]
"""A Korean syllable is three bytes: of one byte, of a syllable, of two."""


def korean() -> str:
    """Return the Korean biLM."""
    WORK.mkdir(parents=True, exist_ok=True)
    text = WORK / "articles.txt"
    with gzip.open(harness.data_file(ARTICLES), "rt", encoding="utf-8") as file:
        text.write_text(file.read(KOREAN_CHARACTERS), encoding="utf-8")
    return model_of(
        {
            "name": "probing-ko",
            "snapshot": str(WORK / "snapshot"),
            "corpus": {"paths": [str(text)], "language": "ko", "held_out": 0.01, **bench_sms.TOKENS},
            "vocabulary": {"min_count": 1},
            "model": {"type": "elmo", "filters": KOREAN_FILTERS},
            "train": {"epochs": 1},
        },
        WORK,
    )


def probe(language: str) -> dict[str, float]:
    """Return what was measured of each layer, in points of 100, by the names of the measure and the layer."""
    from embtrain.evaluation.contextual_similarity import evaluate_contexts
    from embtrain.loading import load
    from embtrain.probing.part_of_speech import probe_tagging

    model = load(bench_sms.make(bench_sms.ELMO) if language == "en" else korean())
    train, test = (harness.data_file(TAGS[language].format(part)) for part in ("train", "test"))
    tagging = probe_tagging(model, train, test)
    found = {f"tags {language}, {layer}": value for layer, value in tagging.layers.items()}
    found[f"tags {language}, form alone"] = tagging.by_form
    if language == "en":
        similarity = evaluate_contexts(model, harness.data_file(CONTEXTS))
        found |= {f"contexts, {layer}": value or 0.0 for layer, value in similarity.layers.items()}
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

"""Korean words as letters (jamo), as syllables and as wholes: one corpus, the same settings, three models.

The order to be found is that of Park et al. (2018), whose analogies are asked; of each question all words are in the
vocabulary, for all three. The ratio is that of jamo to whole words, in points of the analogies; seconds are printed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import harness
from word2vec_contest import EPOCHS, NEGATIVES, WINDOW, prepare_snapshot, timed_training

CORPUS, QUESTIONS = "corpora/kowiki-docs.txt.gz", "eval/ko/word_analogy_korean.txt"
DIM, RESTRICT = 100, 200_000
NGRAMS = {
    "jamo": {"units": "jamo", "min_n": 3, "max_n": 5},
    "syllables": {"units": "syllables", "min_n": 1, "max_n": 4},
}
"""Of letters 3 to 5, and of syllables 1 to 4, as in the paper."""


@dataclass(frozen=True)
class Entry:
    """Questions answered rightly, in points of 100: all, of meaning and of grammar; and seconds of training."""

    quality: dict[str, float]
    seconds: float


def main() -> None:
    """Train the three and print their points."""
    options = harness.arguments(str(__doc__).splitlines()[0])
    shape = {"dim": DIM, "window": WINDOW, "num_negatives": NEGATIVES}
    models = {
        "whole words": {"type": "sgns", **shape},
        "syllables": {"type": "fasttext", **shape},
        "jamo": {"type": "fasttext", **shape},
    }
    entries: dict[str, Entry] = {}
    for units, model in models.items():
        snapshot = harness.in_fresh_process(prepare, units)
        entries[units] = harness.in_fresh_process(train, snapshot, model)
        harness.say(f"{units:12s} {entries[units].seconds:6.1f} s  {entries[units].quality}", quiet=options.json)
    quality = {"ours": entries["jamo"].quality, "peer": entries["whole words"].quality}
    quality["syllables"] = entries["syllables"].quality
    ours, peer = quality["ours"]["analogy"], quality["peer"]["analogy"]
    unit, peer_name = "points of Korean analogies", "skip-gram over whole words, here"
    harness.finish(harness.Result("fasttext_korean", unit, ours, peer, peer_name, ours / peer, quality))


def prepare(units: str) -> str:
    """Return the snapshot with n-grams of these units; what does not depend on them is made once."""
    from embtrain.config import Settings

    corpus = {
        "paths": [str(harness.data_file(CORPUS))],
        "format": "paragraphs",
        "language": "ko",
        "digits": "zero",
        "urls": "drop",
        "held_out": 0,
    }
    ngrams: dict[str, Any] = {"subwords": NGRAMS[units], "tables": ["subwords"]} if units in NGRAMS else {}
    unigram = {"negative_exponent": 0.5}
    location = str(harness.WORK / "kowiki")
    return prepare_snapshot(Settings(name="kowiki", snapshot=location, corpus=corpus, unigram=unigram, **ngrams))


def train(snapshot: str, model: dict[str, Any]) -> Entry:
    """Train a model, and ask it the questions."""
    from embtrain.evaluation.analogy import evaluate_analogies
    from embtrain.vectors import Vectors

    done = timed_training(snapshot, model, seed=1, epochs=EPOCHS)
    answers = evaluate_analogies(
        Vectors(done.vocabulary.tokens, done.model.vectors()), harness.data_file(QUESTIONS), RESTRICT
    )
    tallies = {"analogy": answers.total, **{half.name: half for half in answers.halves}}
    return Entry({name: round(100 * (tally.accuracy or 0), 1) for name, tally in tallies.items()}, done.seconds)


if __name__ == "__main__":
    main()

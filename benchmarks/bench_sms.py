"""Spam among SMS: an ELMo and GloVe trained here, beside random vectors, and scikit-learn's TF-IDF with a linear SVM.

The first 80 % of the rows are learned from, the last 20 % tested on. ELMo and GloVe are trained, the first time, on
articles of Wikipedia and on the messages to learn from; an MLflow under ``build/benchmarks/sms`` keeps them.
"""

from __future__ import annotations

import csv
import gzip
import os
import statistics
from typing import Any

import harness
from registered import model_of

WORK = harness.WORK / "sms"
MESSAGES, ARTICLES = "sms/spam.csv", "corpora/enwiki-docs.txt.gz"

TEXT_BYTES = 12_000_000
"""Of Wikipedia."""

REPEATED = 5
"""Times that the messages are in the text: they are few."""

SEEDS = [1, 2, 3]
GLOVE, ELMO = "models:/sms-glove@champion", "models:/sms-elmo@champion"
OURS = f"{ELMO} + {GLOVE}"
INPUTS = ["random", GLOVE, ELMO, f"{ELMO} + random", OURS]
TOKENS = {"tokenizer": "punctuated", "lowercase": False}

MODELS: dict[str, dict[str, Any]] = {
    GLOVE: {"name": "sms-glove", "model": {"type": "glove", "dim": 100}},
    ELMO: {"name": "sms-elmo", "model": {"type": "elmo"}, "train": {"epochs": 1}},
}


def rows() -> tuple[list[str], list[str], int]:
    """Return texts, labels, and the number of rows to learn from."""
    with harness.data_file(MESSAGES).open(encoding="latin-1", newline="") as file:
        read = [(row[1], row[0]) for row in list(csv.reader(file))[1:]]
    texts, labels = ([row[column] for row in read] for column in (0, 1))
    return texts, labels, int(0.8 * len(read))


def write_text() -> list[str]:
    """Write the text that vectors are trained on; the messages to test on are not in it."""
    WORK.mkdir(parents=True, exist_ok=True)
    texts, _, learned = rows()
    messages, articles = WORK / "messages.txt", WORK / "articles.txt"
    lines = [" ".join(text.split()) for text in texts[:learned]]
    messages.write_text("\n".join(lines * REPEATED) + "\n", encoding="utf-8")
    with gzip.open(harness.data_file(ARTICLES), "rt", encoding="utf-8") as file:
        articles.write_text(file.read(TEXT_BYTES), encoding="utf-8")
    return [str(articles), str(messages)]


def make(model: str) -> str:
    """Return a model, trained unless that is done; all are trained on one snapshot."""
    return model_of(
        {
            "snapshot": str(WORK / "snapshot"),
            "tables": ["characters", "cooccurrence"],
            "corpus": {"paths": write_text(), "deduplicate": False, "held_out": 0.01, **TOKENS},
            "vocabulary": {"min_count": 3},
            **MODELS[model],
        },
        WORK,
    )


def ours() -> dict[str, list[float]]:
    """Return the accuracies over the seeds by input, as ``embtrain classify`` finds them."""
    from embtrain.classify.workflow import classify
    from embtrain.config import Settings

    os.chdir(WORK)
    settings = Settings.model_validate(
        {
            "name": "sms",
            "corpus": {"paths": [str(harness.data_file(MESSAGES))], "format": "csv", "text_column": "v2", **TOKENS},
            "classify": {"label_column": "v1", "encoding": "latin-1", "inputs": INPUTS, "seeds": SEEDS},
        }
    )
    return {name: [found.accuracy for found in of_input] for name, of_input in classify(settings).scores.items()}


def peers() -> dict[str, float]:
    """Return the accuracy of a linear SVM on TF-IDF of words, and of runs of 2 to 5 characters."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    texts, labels, learned = rows()
    features = {"words": TfidfVectorizer(), "characters": TfidfVectorizer(analyzer="char", ngram_range=(2, 5))}
    return {
        name: make_pipeline(vectorizer, LinearSVC())
        .fit(texts[:learned], labels[:learned])
        .score(texts[learned:], labels[learned:])
        for name, vectorizer in features.items()
    }


def main() -> None:
    """Run the peers, make the vectors, compare the inputs, and print errors among the messages tested on."""
    options = harness.arguments(__doc__)
    WORK.mkdir(parents=True, exist_ok=True)
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{WORK}/mlflow.db"
    found_by_peers = harness.in_fresh_process(peers)
    for model in MODELS:
        harness.in_fresh_process(make, model)
    found = harness.in_fresh_process(ours)
    texts, _, learned = rows()
    tested = len(texts) - learned
    for name, accuracy in found_by_peers.items():
        harness.say(f"TF-IDF of {name:12s} {100 * accuracy:6.2f}", quiet=options.json)
    for name, accuracies in found.items():
        spread = " ".join(f"{100 * accuracy:.2f}" for accuracy in accuracies)
        harness.say(f"{name:54s} {100 * statistics.fmean(accuracies):6.2f}   {spread}", quiet=options.json)
    peer = round((1 - found_by_peers["characters"]) * tested, 1)
    own = round((1 - statistics.fmean(found[OURS])) * tested, 1)
    quality = {
        "ours": {name: round(100 * statistics.fmean(accuracies), 2) for name, accuracies in found.items()},
        "peer": {name: round(100 * accuracy, 2) for name, accuracy in found_by_peers.items()},
    }
    harness.finish(
        harness.Result(
            "sms", f"errors among {tested} messages", own, peer, "TF-IDF 2-5-grams, SVM", peer / own, quality
        )
    )


if __name__ == "__main__":
    main()

"""The end of the demo: nearest neighbours, analogies, and where to look next.

::

    python -m jobs.show_demo [RUN_FILE]
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import embtrain
from embtrain.config import Settings
from embtrain.evaluation import evaluate
from embtrain.settings import load_settings
from jobs.ending import exit_code

# Everyday words of different frequency that Python's documentation has much to say about. Those of them are shown
# that are in the vocabulary: what is installed differs from machine to machine.
WORDS = ("mean", "larger", "month", "red", "polygon", "encoder", "socket", "write", "three", "thread", "matrix", "file")
QUESTIONS = ("row rows column", "encode encoder decode", "read reader write", "min max minimum")
SHOWN_WORDS = 6
SHOWN_NEIGHBOURS = 4
# Of words that are rarer than this, few occurrences make neighbours by chance.
FREQUENT = 5000

NEXT = """\
Where to look next:

  source .venv/bin/activate
  embtrain nearest {words} --model {model}
  embtrain analogy {analogy} --model {model}
  embtrain export {model} demo.txt --format word2vec
  mlflow server --backend-store-uri {store}    # then open http://127.0.0.1:5000

For a folder of your own text: copy conf/sgns.yaml, change its paths, and run
  embtrain run --conf conf/YOURS.yaml"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Show what the registered model of a run file knows; return 0, or 2 for what the user can put right."""
    parser = argparse.ArgumentParser(prog="show_demo.py", description="What the trained vectors know.")
    parser.add_argument("conf", nargs="?", default="conf/demo.yaml", help="default: %(default)s")
    conf = parser.parse_args(arguments).conf
    return exit_code("show_demo.py", lambda: show(load_settings(conf)))


def show(settings: Settings) -> None:
    """Print neighbours, analogies and further commands for the registered model of a run."""
    model = f"models:/{settings.track.register_as or settings.name}@{settings.track.alias}"
    vectors = embtrain.load_words(model)
    print(f"\n{model}: {len(vectors):,} words, {vectors.vector_size} numbers each\n\nNearest neighbours:\n")
    words = [word for word in WORDS if word in vectors][:SHOWN_WORDS]
    for word in words:
        found = vectors.most_similar(word, topn=SHOWN_NEIGHBOURS, restrict_vocab=FREQUENT)
        print(f"  {word:<10}" + "   ".join(f"{neighbour} {score:.2f}" for neighbour, score in found))
    print("\nAnalogies, A is to B as C is to ...:\n")
    for a, b, c in (question.split() for question in QUESTIONS):
        if all(word in vectors for word in (a, b, c)):
            [(answer, score)] = vectors.analogy(a, b, c, topn=1, restrict_vocab=FREQUENT)
            print(f"  {a} : {b} = {c} : {answer} {score:.2f}")
    for questions in evaluate(vectors, settings.evaluate).analogy:
        total = questions.total
        print(f"\n{total.correct} of {total.used} questions of {questions.name} answered rightly; by section above.")
    print()
    store = os.environ.get("MLFLOW_TRACKING_URI", settings.track.uri)
    print(NEXT.format(words=" ".join(words[:2]), model=model, analogy=QUESTIONS[0], store=store))


if __name__ == "__main__":
    sys.exit(main())

"""A table of texts and labels to a registered classifier, for schedulers; it needs no Spark.

::

    python jobs/train_classifier.py --conf conf/RUN.yaml [key=value ...]
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from embtrain.settings import load_settings
from jobs.ending import exit_code


def main(arguments: Sequence[str] | None = None) -> int:
    """Train what a run file says, and print how its inputs compare; return 0, or 2 for what the user can put right."""
    parser = argparse.ArgumentParser(prog="train_classifier.py", description="Texts and labels to a classifier.")
    parser.add_argument("--conf", required=True, metavar="FILE", help="run file, as conf/README.md describes")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings that come before the file's")
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("embtrain").setLevel(logging.INFO)
    return exit_code("train_classifier.py", lambda: run(options.conf, options.overrides))


def run(conf: str, overrides: Sequence[str]) -> None:
    """Read the settings, train and register."""
    settings = load_settings(conf, overrides)
    from embtrain.classify.workflow import classify  # noqa: PLC0415 - settings are refused before torch is loaded

    found = classify(settings)
    print(found)
    print(found.version)


if __name__ == "__main__":
    sys.exit(main())

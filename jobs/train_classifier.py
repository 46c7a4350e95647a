"""A table of texts and labels to a registered classifier, for schedulers; it needs no Spark.

::

    python jobs/train_classifier.py --conf conf/RUN.yaml [key=value ...]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from embtrain.settings import load_settings
from jobs.ending import run_with_settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Train what a run file says, and print how its inputs compare; return 0, or 2 for what the user can put right."""
    return run_with_settings(
        "train_classifier.py", "Texts and labels to a classifier.", logs="embtrain", work=run, arguments=arguments
    )


def run(conf: str, overrides: Sequence[str]) -> None:
    """Read the settings, train and register."""
    settings = load_settings(conf, overrides)
    from embtrain.classify.workflow import classify  # noqa: PLC0415 - settings are refused before torch is loaded

    found = classify(settings)
    print(found)
    print(found.version)


if __name__ == "__main__":
    sys.exit(main())

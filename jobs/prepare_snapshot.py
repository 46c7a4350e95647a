"""Corpus to snapshot, for spark-submit.

::

    spark-submit [--py-files dist/embtrain.zip] jobs/prepare_snapshot.py --conf conf/RUN.yaml [key=value ...]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from embtrain.settings import load_settings
from jobs.ending import run_with_settings
from pipelines.prepare import prepare_snapshot


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare the snapshot of a run file; return 0, or 2 for what the user can put right."""
    return run_with_settings(
        "prepare_snapshot.py", "Corpus to snapshot.", logs="pipelines", work=run, arguments=arguments
    )


def run(conf: str, overrides: Sequence[str]) -> None:
    """Read the settings, and prepare."""
    prepare_snapshot(load_settings(conf, overrides))


if __name__ == "__main__":
    sys.exit(main())

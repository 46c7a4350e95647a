"""Corpus to snapshot, for spark-submit.

::

    spark-submit [--py-files dist/embtrain.zip] jobs/prepare_snapshot.py --conf conf/RUN.yaml [key=value ...]
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from embtrain.settings import load_settings
from jobs.ending import exit_code
from pipelines.prepare import prepare
from pipelines.session import spark_session


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare the snapshot of a run file; return 0, or 2 for what the user can put right."""
    parser = argparse.ArgumentParser(prog="prepare_snapshot.py", description="Corpus to snapshot.")
    parser.add_argument("--conf", required=True, metavar="FILE", help="run file, as conf/README.md describes")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings that come before the file's")
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("pipelines").setLevel(logging.INFO)
    return exit_code("prepare_snapshot.py", lambda: run(options.conf, options.overrides))


def run(conf: str, overrides: Sequence[str]) -> None:
    """Read the settings, start Spark or take what spark-submit started, and prepare."""
    settings = load_settings(conf, overrides)
    with spark_session(settings.spark, app=f"embtrain prepare {settings.name}") as spark:
        prepare(spark, settings)


if __name__ == "__main__":
    sys.exit(main())

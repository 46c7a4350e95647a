"""Corpus to snapshot, for spark-submit.

::

    spark-submit [--py-files dist/embtrain.zip] jobs/prepare_snapshot.py --conf conf/RUN.yaml [key=value ...]
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from embtrain.errors import EmbtrainError
from embtrain.settings import load_settings
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
    try:
        settings = load_settings(options.conf, options.overrides)
        with spark_session(settings.spark, app=f"embtrain prepare {settings.name}") as spark:
            prepare(spark, settings)
    except EmbtrainError as error:
        print(f"prepare_snapshot.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

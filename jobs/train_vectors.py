"""Snapshot to registered vectors: in this process, or in several on Spark's workers.

::

    python jobs/train_vectors.py --conf conf/RUN.yaml [key=value ...]
    spark-submit [--py-files dist/embtrain.zip] jobs/train_vectors.py --conf conf/RUN.yaml [key=value ...] \
        --distributor --processes N
"""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from embtrain.errors import SetupError
from embtrain.settings import load_settings
from jobs.ending import exit_code, run_file_parser

JOB = "train_vectors.py"


def main(arguments: Sequence[str] | None = None) -> int:
    """Train what a run file says, and print the version's URI; return 0, or 2 for what the user can put right."""
    parser = run_file_parser(JOB, "Snapshot to registered vectors.")
    parser.add_argument("--distributor", action="store_true", help="train on Spark's workers; else in this process")
    parser.add_argument("--processes", type=int, metavar="N", help="number of processes that --distributor starts")
    parser.add_argument("--folder", metavar="DIR", help="base of relative paths; default: the working folder")
    parser.add_argument("--result", metavar="FILE", help="file for the version's URI; default: it is printed")
    options = parser.parse_intermixed_args(arguments)
    if options.distributor != (options.processes is not None and options.processes > 0):
        parser.error("--distributor and --processes N, which is 1 or more, need each other")
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    if os.environ.get("RANK", "0") == "0":
        logging.getLogger("embtrain").setLevel(logging.INFO)
    return exit_code(JOB, lambda: distribute(options) if options.distributor else train(options))


def train(options: argparse.Namespace) -> None:
    """Train in this process, which may be one of several that a launcher has started."""
    if options.folder:
        _enter(options.folder)
    settings = load_settings(options.conf, options.overrides)
    from embtrain import workflow  # noqa: PLC0415 - settings are refused before MLflow is loaded

    version = workflow.train(settings)
    if version and options.result:
        Path(options.result).write_text(version, "utf-8")
    elif version:
        print(version)


def distribute(options: argparse.Namespace) -> None:
    """Start this job in processes on Spark's workers, all in this one's working folder."""
    settings = load_settings(options.conf, options.overrides)
    from pipelines.distributor import options_for_training, place, run_module  # noqa: PLC0415 - loads Spark
    from pipelines.session import spark_session  # noqa: PLC0415 - likewise

    with spark_session(settings.spark, app=f"embtrain train {settings.name}", options=options_for_training()) as spark:
        # Each failed task would be told with its stack in Java.
        spark.sparkContext.setLogLevel("ERROR")
        placement = place(spark, options.processes, needs_gpu=settings.train.device == "cuda")
        # What processes print may be lost on its last way, and so may the code that they end with.
        result = Path.cwd() / f".version-{uuid4().hex}"
        arguments = ["--conf", options.conf, "--folder", str(Path.cwd()), "--result", str(result), *options.overrides]
        if placement.threads and settings.train.threads is None:
            arguments.append(f"train.threads={placement.threads}")
        run_module("jobs.train_vectors", arguments, job=JOB, processes=options.processes, placement=placement)
    if not result.exists():
        raise SetupError(
            f"the processes have ended without writing a version to {result.parent}; their messages are above; if "
            "there are none, start the job in a folder that all machines share"
        )
    print(result.read_text("utf-8"))
    result.unlink()


def _enter(folder: str) -> None:
    try:
        os.chdir(folder)
    except OSError as error:
        raise SetupError(
            f"{socket.gethostname()} cannot enter {folder}, where the job was started ({error.strerror}); start it in "
            "a folder that all machines share under the same path"
        ) from None


if __name__ == "__main__":
    sys.exit(main())

"""How a job begins, with a run file, and ends: with a sentence, not a stack trace, for what the user can put right."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence

from embtrain.errors import exit_code_of, in_one_sentence


def exit_code(job: str, work: Callable[[], None]) -> int:
    """Do the work of a job; return 0, 2 for what the user can put right, said in one sentence on stderr, or 143."""
    try:
        work()
    except Exception as error:
        sentence = in_one_sentence(error)
        if sentence is None:
            raise
        print(f"{job}: {sentence}", file=sys.stderr)
        return exit_code_of(error)
    return 0


def run_file_parser(job: str, summary: str) -> argparse.ArgumentParser:
    """Return a parser of what every job with a run file is given: the file, and settings that come before its own."""
    parser = argparse.ArgumentParser(prog=job, description=summary)
    parser.add_argument("--conf", required=True, metavar="FILE", help="run file, as conf/README.md describes")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings that win over the run file's")
    return parser


def run_with_settings(
    job: str, summary: str, *, logs: str, work: Callable[[str, Sequence[str]], None], arguments: Sequence[str] | None
) -> int:
    """Do a job that a run file describes; return 0, or 2 for what the user can put right.

    Args:
        job: its file.
        summary: what it does, for ``--help``.
        logs: the package whose messages are shown.
        work: is given the run file and the settings that come before the file's.
        arguments: of the command line; None for those of this process.
    """
    options = run_file_parser(job, summary).parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger(logs).setLevel(logging.INFO)
    return exit_code(job, lambda: work(options.conf, options.overrides))

"""The demo's corpus: the docstrings of the standard library and of the installed packages.

::

    python -m jobs.collect_docstrings [FOLDER]

Writes text files, a paragraph a line. Nothing is done where the same source files were read before.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from embtrain.config import SparkSettings
from embtrain.errors import EmbtrainError
from embtrain.manifest import fingerprint
from embtrain.storage import Location
from pipelines.docstrings import collect_paragraphs, find_modules
from pipelines.session import spark_session
from pipelines.store import writable_folder

# Written last, into the folder of the corpus; hidden from readers of text by its underscore.
MADE_FROM = "_made_from.json"

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the corpus; return 0, or 2 for what the user can put right."""
    parser = argparse.ArgumentParser(prog="collect_docstrings.py", description="The demo's corpus.")
    parser.add_argument("folder", nargs="?", default="corpora/docstrings", help="default: %(default)s")
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    log.setLevel(logging.INFO)
    try:
        collect(writable_folder(options.folder), find_modules())
    except EmbtrainError as error:
        print(f"collect_docstrings.py: {error}", file=sys.stderr)
        return 2
    return 0


def collect(folder: Location, modules: list[Path]) -> None:
    """Write the docstrings of source files to a folder, unless it holds those of the same files."""
    made_from = describe(modules)
    if (folder / MADE_FROM).read_json() == made_from:
        log.info("docstrings unchanged, skipped: %s", folder)
        return
    started = time.monotonic()
    folder.remove()
    with spark_session(SparkSettings(), app="embtrain collect docstrings") as spark:
        collect_paragraphs(spark, modules).write.text(folder.for_spark)
    (folder / MADE_FROM).write_json(made_from)
    log.info("docstrings read %s source files (%.1f s): %s", f"{len(modules):,}", time.monotonic() - started, folder)


def describe(modules: list[Path]) -> dict[str, str]:
    """Return what changes when a file is added, taken away or written again."""
    return {"files": fingerprint(files=[(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in modules])}


if __name__ == "__main__":
    sys.exit(main())

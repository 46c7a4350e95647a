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

from pyarrow import fs

from embtrain.config import SparkSettings
from embtrain.errors import SetupError
from embtrain.manifest import fingerprint
from embtrain.storage import Location
from jobs.ending import exit_code
from pipelines.docstrings import collect_paragraphs, find_modules
from pipelines.session import spark_session
from pipelines.store import writable_folder

# Marks the folder as the corpus's own before anything is written to it, and says last of what it was made. Hidden from
# readers of text by its underscore.
MADE_FROM = "_made_from.json"
_UNFINISHED = {"files": "unfinished"}

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the corpus; return 0, or 2 for what the user can put right."""
    parser = argparse.ArgumentParser(prog="collect_docstrings.py", description="The demo's corpus.")
    parser.add_argument("folder", nargs="?", default="corpora/docstrings", help="default: %(default)s")
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    log.setLevel(logging.INFO)
    return exit_code("collect_docstrings.py", lambda: collect(Location.of(options.folder), find_modules()))


def collect(folder: Location, modules: list[Path]) -> None:
    """Write the docstrings of source files to a folder, unless it holds those of the same files.

    Raises:
        SetupError: if the folder cannot be written to, or holds anything else.
    """
    made_from, made_before = describe(modules), (folder / MADE_FROM).read_json()
    if made_before == made_from:
        log.info("docstrings unchanged, skipped: %s", folder)
        return
    started = time.monotonic()
    if made_before:
        folder.remove()
    writable_folder(str(folder))
    if folder.filesystem.get_file_info(fs.FileSelector(folder.path)):
        raise SetupError(f"{folder} holds other files than this job's; name a new or empty folder")
    (folder / MADE_FROM).write_json(_UNFINISHED)
    with spark_session(SparkSettings(), app="embtrain collect docstrings") as spark:
        collect_paragraphs(spark, modules).write.mode("append").text(folder.for_spark)
    (folder / MADE_FROM).write_json(made_from)
    log.info("docstrings read %s source files (%.1f s): %s", f"{len(modules):,}", time.monotonic() - started, folder)


def describe(modules: list[Path]) -> dict[str, str]:
    """Return what changes when a file is added, taken away or written again."""
    return {"files": fingerprint(files=[(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in modules])}


if __name__ == "__main__":
    sys.exit(main())

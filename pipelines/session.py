"""The Spark session: the only place where options of Spark are set."""

from __future__ import annotations

import os
import sys

from pyspark.sql import SparkSession

from embtrain.config import SparkSettings
from pipelines.java import provide_java

# Of a session on this machine alone; a cluster and spark-submit bring their own.
_LOCAL: dict[str, bool | float | int | str | None] = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    # On few cores the parallel collector costs less than the default one, which works beside the program.
    "spark.driver.defaultJavaOptions": "-XX:+UseParallelGC",
    "spark.log.level": "ERROR",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": str(sys.stderr.isatty()).lower(),
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

_SHUFFLE = "spark.sql.shuffle.partitions"


def spark_session(settings: SparkSettings, app: str) -> SparkSession:
    """Start Spark, or take what spark-submit started.

    Args:
        settings: the master (the environment variable SPARK_MASTER comes first), memory and partitions.
        app: the name that Spark shows.

    Returns:
        The session; ``with`` stops it.

    Raises:
        SetupError: if Spark is to be started here and there is no Java for it.
    """
    builder = SparkSession.builder.appName(app)
    if not _under_spark_submit():
        provide_java()
        # Workers run this Python, with what is installed in it, rather than the first on the PATH.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        master = os.environ.get("SPARK_MASTER", settings.master)
        builder = builder.master(master).config("spark.driver.memory", settings.driver_memory)
        if master.startswith("local"):
            os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
            builder = builder.config(map=_LOCAL)
    spark = builder.getOrCreate()
    _set_missing(spark, {**_SQL, _SHUFFLE: str(settings.partitions)})
    return spark


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

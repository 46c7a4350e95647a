"""How far a long stage has come, in the log, for whoever has no terminal with Spark's own bar to look at."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JError
from pyspark import SparkContext

FIRST_SECONDS = 10.0
"""Stages that end sooner say nothing on the way."""
EVERY_SECONDS = 30.0

log = logging.getLogger(__name__)


@contextmanager
def reported(context: SparkContext, stage: str) -> Iterator[None]:
    """Log, while the block runs, how many tasks of Spark's are done: after 10 seconds, then every 30.

    Nothing is logged where Spark draws its bar, ``spark.ui.showConsoleProgress``.

    Args:
        context: whose jobs are counted; those of a stage run one after the other.
        stage: the name to log.
    """
    if context.getConf().get("spark.ui.showConsoleProgress") == "true":
        yield
        return
    ended = threading.Event()
    reporter = threading.Thread(target=_report, args=(context, stage, ended), name="progress", daemon=True)
    reporter.start()
    try:
        yield
    finally:
        ended.set()
        reporter.join()


def _report(context: SparkContext, stage: str, ended: threading.Event) -> None:
    started, pause = time.monotonic(), FIRST_SECONDS
    while not ended.wait(pause):
        pause = EVERY_SECONDS
        try:
            done, running, tasks = _count_tasks(context)
        except Py4JError:
            # Spark has ended; what it ended with is told elsewhere.
            return
        # Between two jobs there are none.
        state = f"{done:,} of {tasks:,} tasks done, {running:,} running, " if tasks else ""
        log.info("%-10s … %s%s", stage, state, _minutes(time.monotonic() - started))


def _count_tasks(context: SparkContext) -> tuple[int, int, int]:
    """Return how many tasks of the jobs under way are done, run now, and are known of."""
    tracker = context.statusTracker()
    jobs = [tracker.getJobInfo(job) for job in tracker.getActiveJobsIds()]
    stages = [tracker.getStageInfo(stage) for job in jobs if job for stage in job.stageIds]
    known = [stage for stage in stages if stage]
    return (
        sum(stage.numCompletedTasks for stage in known),
        sum(stage.numActiveTasks for stage in known),
        sum(stage.numTasks for stage in known),
    )


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"

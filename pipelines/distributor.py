"""Training on Spark's workers: processes that start together, one a task, by Spark's TorchDistributor.

Each task starts a Python module by torchrun: nothing is pickled, and the processes are those that one would start by
hand. What they print comes to the driver, where :class:`Printed` picks out why they ended.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, TextIO

from py4j.protocol import Py4JJavaError
from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkException
from pyspark.ml.torch.distributor import TorchDistributor
from pyspark.sql import SparkSession

from embtrain.errors import ANOTHER_ENDED, SetupError

SLOTS_ASKED_EVERY_SECONDS = 0.5

_TRACKING = "MLFLOW_TRACKING_URI"


def options_for_training() -> dict[str, str]:
    """Return options that Spark is to be started with, unless spark-submit was given others.

    What ``--py-files`` brings lies in the folder in which tasks run, and Python's own tasks find it there; processes
    that these start do so by PYTHONPATH. They find MLflow by this process's MLFLOW_TRACKING_URI, which may have a
    password: it is on no command line, and Spark's pages do not show it. And what ends the processes ends the job,
    rather than be tried again.
    """
    options = {"spark.stage.maxConsecutiveAttempts": "1"}
    if uri := os.environ.get(_TRACKING):
        options[f"spark.executorEnv.{_TRACKING}"] = uri
        options["spark.redaction.regex"] = f"(?i)secret|password|token|access[.]?key|{_TRACKING}"
    if "PYSPARK_GATEWAY_PORT" in os.environ:
        SparkContext._ensure_initialized()  # noqa: SLF001 - or spark-submit's options are not seen
        packages = (SparkConf().get("spark.submit.pyFiles") or "").split(",")
        if paths := [_path_in_task(package) for package in packages if package]:
            options["spark.executorEnv.PYTHONPATH"] = os.pathsep.join(paths)
    return options


def _path_in_task(package: str) -> str:
    """Return where a task finds what ``--py-files`` names: in its folder, or where it was before (``local:///…``)."""
    path = package.removeprefix("local://")
    return PurePosixPath(package).name if path == package else path


@dataclass(frozen=True)
class Placement:
    """Where processes are started.

    Attributes:
        local: on the driver's machine, which is all that Spark has.
        gpus: that Spark gives each task, or the driver if that is all.
        threads: cores that Spark gives each process; None on the driver's machine, whose cores they share.
    """

    local: bool
    gpus: int
    threads: int | None


def place(spark: SparkSession, processes: int, *, needs_gpu: bool) -> Placement:
    """See what Spark gives to so many processes that start together, before they are started.

    Args:
        spark: the session.
        processes: how many.
        needs_gpu: whether the run file asks for GPUs.

    Raises:
        SetupError: if they could not start: too few tasks at once, no GPU, a part of one, or executors that
            come and go.
    """
    master = str(spark.sparkContext.master)
    if master == "local" or master.startswith("local["):
        return Placement(True, _gpus(spark, "spark.driver.resource.gpu.amount"), None)
    gpus = _gpus(spark, "spark.task.resource.gpu.amount")
    if needs_gpu and not gpus:
        raise SetupError(
            "train.device is cuda, but Spark gives its tasks no GPU; start spark-submit with "
            "--conf spark.executor.resource.gpu.amount=1 --conf spark.task.resource.gpu.amount=1 on workers that have "
            "GPUs, or set train.device to auto or cpu"
        )
    if processes % max(1, gpus):
        raise SetupError(
            f"each task has {gpus} GPUs, one per process: --processes must be a multiple of {gpus}, found {processes}"
        )
    if spark.conf.get("spark.dynamicAllocation.enabled", "false") == "true":
        raise SetupError(
            "all processes start together, so the number of executors must be fixed; "
            "set spark.dynamicAllocation.enabled=false"
        )
    patience = _scala(spark).conf().getTimeAsSeconds(_PATIENCE, "30s")
    require_slots(spark, processes // max(1, gpus), patience_seconds=patience)
    return Placement(False, gpus, max(1, int(str(spark.conf.get("spark.task.cpus", "1"))) // max(1, gpus)))


_PATIENCE = "spark.scheduler.maxRegisteredResourcesWaitingTime"


def require_slots(spark: SparkSession, tasks: int, *, patience_seconds: float) -> None:
    """Wait until Spark can run so many tasks at once; without them it would wait for ten minutes.

    Raises:
        SetupError: if it cannot when the time is up.
    """
    context = _scala(spark)
    profile = context.resourceProfileManager().defaultResourceProfile()
    deadline = time.monotonic() + patience_seconds
    while (slots := context.maxNumConcurrentTasks(profile)) < tasks:
        if time.monotonic() > deadline:
            raise SetupError(
                f"{tasks} tasks must start together, but after {patience_seconds:g} s ({_PATIENCE}) Spark has room for "
                f"{slots}; start fewer --processes, or ask for more cores or GPUs"
            )
        time.sleep(SLOTS_ASKED_EVERY_SECONDS)


def _scala(spark: SparkSession) -> Any:
    return spark.sparkContext._jsc.sc()  # noqa: SLF001 - Python has no word for what is asked


def _gpus(spark: SparkSession, option: str) -> int:
    amount = str(spark.conf.get(option, "0"))
    if not amount.isdecimal():
        raise SetupError(f"{option}: a process needs whole GPUs, found {amount}")
    return int(amount)


class Printed(io.TextIOBase):
    """What the processes print: it is passed on until one of them says in a sentence why it ends.

    After that comes what the others, torchrun and Spark have to say about it, in any order.

    Args:
        job: begins the sentences of the processes.
        shown: where all else goes.
    """

    def __init__(self, job: str, shown: TextIO) -> None:
        self._begin, self._shown, self._line = f"{job}: ", shown, ""
        self.sentences: list[str] = []

    def write(self, text: str) -> int:
        """Take some text; whole lines are read."""
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._read(line)
        return len(text)

    @property
    def cause(self) -> str | None:
        """Return why the processes ended: the first sentence that does not say that another one has."""
        causes = [sentence for sentence in self.sentences if ANOTHER_ENDED not in sentence]
        return next(iter(causes or self.sentences), None)

    def _read(self, line: str) -> None:
        end = line.rpartition("\r")[2]  # of a progress bar
        if end.startswith(self._begin):
            self.sentences.append(end.removeprefix(self._begin))
        elif not self.sentences:
            self._shown.write(f"{line}\n")
            self._shown.flush()


def run_module(module: str, arguments: Sequence[str], *, job: str, processes: int, placement: Placement) -> None:
    """Run a module in processes that start together. Whether it did what it should must be seen by what it leaves.

    Args:
        module: the processes are started as ``python -m module`` is.
        arguments: of the module.
        job: begins the sentences that the processes end with.
        processes: how many.
        placement: what :func:`place` has found.

    Raises:
        SetupError: if a process ended for something of the user's, in its words.
    """
    distributor = TorchDistributor(processes, local_mode=placement.local, use_gpu=placement.gpus > 0)
    printed = Printed(job, sys.stderr)
    try:
        with redirect_stdout(printed), redirect_stderr(printed):
            # Handed on to torchrun in place of a file, `-m` says that a module follows.
            distributor.run("-m", module, *arguments)
    except (Py4JJavaError, PySparkException, RuntimeError) as error:
        # Lines that come last over the network may be lost; the exception has the end of what a process printed.
        printed.write(f"\n{error}\n")
    if printed.cause:  # which some versions of the distributor take for a good end
        raise SetupError(printed.cause)

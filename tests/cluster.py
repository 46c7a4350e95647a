"""A standalone Spark cluster on this machine, as its documentation starts one; and what a bare machine of it has."""

import json
import os
import re
import shutil
import subprocess
import time
import urllib.request
import venv
import zipfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil
import pyspark
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pipelines.java import provide_java

ROOT = Path(__file__).parents[1]
SPARK_HOME = Path(pyspark.__file__).parent

# docs/clusters.md: what Python must have where tasks run, where the job is started, and where vectors are trained.
FOR_EXECUTORS = ("numpy", "pyarrow", "pydantic", "PyYAML", "numba")
FOR_THE_DRIVER = (*FOR_EXECUTORS, "pandas")
FOR_TRAINING = (*FOR_EXECUTORS, "torch", "mlflow", "rapidfuzz", "safetensors", "tqdm")

_STARTED_WITHIN_SECONDS = 120


def environment(**variables):
    """Return this process's variables without those of Spark and Python, and with what makes Java start quickly."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_", "PYTHON"))}
    small = {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_DAEMON_MEMORY": "256m", "JAVA_HOME": str(provide_java())}
    return kept | small | {"JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"} | variables


def zip_packages(path):
    """Zip the packages as `make dist` does, but as they are in the working tree."""
    with zipfile.ZipFile(path, "w") as archive:
        for package in ("embtrain", "pipelines", "jobs"):
            for source in sorted((ROOT / package).rglob("*")):
                if source.is_file() and "__pycache__" not in source.parts:
                    archive.write(source, source.relative_to(ROOT))
    return path


def bare_python(folder, packages):
    """Make an environment with some packages and what these need, but not embtrain; return its Python."""
    venv.create(folder, symlinks=True)
    (target,) = folder.glob("lib/python*/site-packages")
    for package in map(metadata.distribution, with_requirements(packages)):
        for entry in {file.parts[0] for file in package.files if file.parts[0] not in {"..", "__pycache__"}}:
            if not (target / entry).exists():  # some share a namespace
                (target / entry).symlink_to(package.locate_file(entry))
    return folder / "bin" / "python"


def with_requirements(packages):
    """Return the names of packages, and of all that they require in turn, as far as it is installed."""
    found, left = set(), list(packages)
    while left:
        name = canonicalize_name(left.pop())
        with suppress(metadata.PackageNotFoundError):
            required = map(Requirement, metadata.requires(name) or ())
            left += [one.name for one in required if name not in found and (not one.marker or one.marker.evaluate())]
            found.add(name)
    return found


def spark_home(folder):
    """Link what pip installed into a folder: `local-cluster` writes beside it, whatever it is told."""
    folder.mkdir()
    for entry in SPARK_HOME.iterdir():
        (folder / entry.name).symlink_to(entry)
    return folder


@dataclass(frozen=True)
class Cluster:
    """A master that can be reached, and the processes of its workers."""

    master: str
    workers: list[psutil.Process]

    def executors(self):
        """Return the processes that run tasks at the moment."""
        children = [child for worker in self.workers for child in worker.children(recursive=True)]
        return [child for child in children if any("CoarseGrainedExecutorBackend" in word for word in words_of(child))]


def words_of(process):
    """Return a process's command line; nothing for one that has just ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@contextmanager
def standalone_cluster(folder, num_workers=2):
    """Start a master and workers of one core each, and end them with the block."""
    started = [daemon(folder, "master.Master", "--port", 0, "--webui-port", 0)]
    try:
        wait_for(lambda: addresses(folder) is not None, started)
        master, ui = addresses(folder)
        for number in range(num_workers):
            work = folder / f"worker-{number}"
            sizes = ("--cores", 1, "--memory", "1g", "--work-dir", work, "--webui-port", 0)
            started.append(daemon(folder, "worker.Worker", *sizes, master))
        wait_for(lambda: state(ui).get("aliveworkers") == num_workers, started)
        yield Cluster(master, [psutil.Process(process.pid) for process in started[1:]])
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait()


def daemon(folder, name, *options):
    command = [SPARK_HOME / "bin" / "spark-class", f"org.apache.spark.deploy.{name}", "--host", "127.0.0.1", *options]
    with (folder / "daemons.log").open("ab") as log:
        return subprocess.Popen([str(word) for word in command], env=environment(), stdout=log, stderr=log)


def addresses(folder):
    """Return where the master and its web page listen, which its log says; None until both do."""
    log = (folder / "daemons.log").read_text(encoding="utf-8")
    found = re.search(r" at (spark://\S+)$.* started at (http://\S+)$", log, re.MULTILINE | re.DOTALL)
    return found and found.groups()


def state(ui):
    """Return what the master says of itself; nothing until it answers."""
    try:
        with urllib.request.urlopen(f"{ui}/json/", timeout=5) as answer:  # noqa: S310 - an address of this machine
            return json.load(answer)
    except (OSError, json.JSONDecodeError):
        # Its pages are put in place one after the other, and the first of them answers for all that are missing yet.
        return {}


def wait_for(condition, processes):
    """Wait until a condition holds of processes that all stay alive."""
    deadline = time.monotonic() + _STARTED_WITHIN_SECONDS
    while not condition():
        assert all(process.poll() is None for process in processes), "a daemon of the cluster has ended"
        assert time.monotonic() < deadline, "the cluster does not come up"
        time.sleep(0.1)


def submit(folder, master, packages, arguments, *, job="prepare_snapshot.py", options=(), **variables):
    """Start a job, from a folder of its own; what it prints goes to ``job.log`` there."""
    copy = shutil.copy(ROOT / "jobs" / job, folder)
    command = [SPARK_HOME / "bin" / "spark-submit", "--master", master, "--py-files", packages]
    command += ["--driver-memory", "900m", "--executor-memory", "900m", *options, copy, *arguments]
    with (folder / "job.log").open("w", encoding="utf-8") as log:
        return subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            env=environment(**variables),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

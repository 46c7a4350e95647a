"""What tests share: one small Spark session, started when the first test asks for it, and disks that fill up."""

import os
import resource
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no defect.
settings.register_profile("embtrain", deadline=None)
settings.load_profile("embtrain")

ROOT = Path(__file__).parent.parent

# Several test processes share the cores. Threads of OpenMP would wait for each other in turns of the scheduler, and
# compiling thoroughly does not pay for Spark's jobs of milliseconds. Processes that tests start inherit both.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ["JDK_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=1"

# Where there is no GPU, its kernels run in Triton's interpreter. Triton asks for it once, when it is imported.
if not Path("/dev/nvidiactl").exists():
    os.environ["TRITON_INTERPRET"] = "1"


@pytest.fixture(scope="session")
def spark():
    """Give a local session on two cores that starts quickly; its workers import this repository."""
    pytest.importorskip("pyspark", reason="Spark is an extra: pip install -e '.[spark]'")
    from embtrain.config import SparkSettings
    from pipelines.session import spark_session

    os.environ["PYTHONPATH"] = str(ROOT)
    settings = SparkSettings(master="local[2]", driver_memory="1g", partitions=2)
    with spark_session(settings, app="tests") as session:
        session.sparkContext.setLogLevel("ERROR")
        yield session


@pytest.fixture
def file_sizes():
    """Give what lets files grow no larger, as on a disk without room: ``with file_sizes(at_most=100)``."""

    @contextmanager
    def limited(at_most):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (at_most, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited

"""Starting Spark: what it says, and what is said where it does not start."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from embtrain.config import SparkSettings
from embtrain.errors import SetupError
from pipelines import session
from pipelines.session import spark_session

pytestmark = pytest.mark.spark

ROOT = Path(__file__).parents[2]

START = """
import sys
from embtrain.config import SparkSettings
from jobs.ending import exit_code
from pipelines.session import spark_session

def start():
    with spark_session(SparkSettings(master=sys.argv[1], driver_memory="1g"), app="test") as spark:
        spark.range(1).count()
        spark._jvm.org.slf4j.LoggerFactory.getLogger("test").error("an error of Spark")

sys.exit(exit_code("start", start))
"""


def start(master):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPARK_")}
    environment.pop("JDK_JAVA_OPTIONS", None)
    command = [sys.executable, "-c", START, master]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_of_a_local_session_only_errors_are_shown():
    done = start("local[1]")
    # The first line is Java's own, which no option keeps back.
    lines = [line for line in done.stderr.splitlines() if "incubator" not in line]
    assert len(lines) == 1, done.stderr
    assert lines[0].endswith("ERROR test: an error of Spark")


def test_the_file_that_says_how_to_log_is_found_in_a_zip_too(tmp_path):
    (tmp_path / "embtrain.zip").touch()
    found = session._logging_file(tmp_path / "embtrain.zip" / "pipelines" / "session.py")
    assert found == f"jar:file://{tmp_path}/embtrain.zip!/pipelines/log4j2.properties"


@pytest.mark.parametrize("master", ["local[many]", "foo", "http://host:7077", "yarn-cluster"])
def test_a_master_that_spark_does_not_know_is_said_in_one_sentence(master, monkeypatch):
    monkeypatch.setenv("SPARK_MASTER", master)
    with pytest.raises(SetupError, match=rf"^cannot start Spark with the master '{re.escape(master)}': expected local"):
        spark_session(SparkSettings(), app="test")


def test_yarn_needs_to_know_where_the_cluster_is(monkeypatch):
    for name in ("HADOOP_CONF_DIR", "YARN_CONF_DIR"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SetupError, match=r"master yarn: set HADOOP_CONF_DIR"):
        spark_session(SparkSettings(master="yarn"), app="test")


@pytest.mark.parametrize("master", ["local", "local[*]", "local[2, 4]", "local-cluster[2,1,1024]", "k8s://host:443"])
def test_a_master_that_spark_knows_is_left_to_it(master):
    session._require_master(master)


def test_what_spark_itself_refuses_ends_in_a_sentence_too():
    done = start("local-cluster[none]")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "start: cannot start Spark with the master local-cluster[none]: " in done.stderr


def test_a_master_that_does_not_answer_is_said_at_once(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("SPARK_MASTER", f"spark://127.0.0.1:{port}")
    with pytest.raises(SetupError, match=rf"no Spark master answers at spark://127\.0\.0\.1:{port} .*refused"):
        spark_session(SparkSettings(), app="test")

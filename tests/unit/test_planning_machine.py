"""What a machine has left, read from files of the form that Linux gives them, and from limits that are real."""

import os
import subprocess
import sys

import pytest

from embtrain.planning.machine import disk_room, memory_room, num_cores

GB = 1 << 30


def machine(root, files):
    """Write the files of a machine with 8 GB free, and those given, below ``root``."""
    for name, text in {"proc/meminfo": f"MemTotal: 99 kB\nMemAvailable: {8 << 20} kB\n", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_without_limits_it_is_what_is_free(tmp_path):
    room = memory_room(machine(tmp_path, {}))
    assert (room.bytes, room.bound) == (8 * GB, "free on this machine")


def test_a_control_group_leaves_its_limit_less_what_it_has_taken(tmp_path):
    files = {
        "proc/self/cgroup": "0::/pod/box\n",
        "sys/fs/cgroup/pod/box/memory.max": f"{4 * GB}\n",
        "sys/fs/cgroup/pod/box/memory.current": f"{3 * GB}\n",
        "sys/fs/cgroup/pod/box/memory.stat": f"anon 5\ninactive_file {GB}\n",
    }
    room = memory_room(machine(tmp_path, files))
    assert (room.bytes, room.bound) == (2 * GB, "left of the control group's limit")


def test_the_limit_of_a_group_above_holds_too(tmp_path):
    files = {
        "proc/self/cgroup": "0::/pod/box\n",
        "sys/fs/cgroup/pod/box/memory.max": "max\n",
        "sys/fs/cgroup/pod/box/memory.current": "5\n",
        "sys/fs/cgroup/pod/memory.max": f"{GB}\n",
        "sys/fs/cgroup/pod/memory.current": "0\n",
    }
    assert memory_room(machine(tmp_path, files)).bytes == GB


def test_control_groups_of_the_first_version_count_as_well(tmp_path):
    files = {
        "proc/self/cgroup": "4:cpu,memory:/box\n1:pids:/\n",
        "sys/fs/cgroup/memory/box/memory.limit_in_bytes": f"{2 * GB}",
        "sys/fs/cgroup/memory/box/memory.usage_in_bytes": f"{GB}",
    }
    assert memory_room(machine(tmp_path, files)).bytes == GB


def test_a_group_that_is_mounted_elsewhere_does_not_count(tmp_path):
    assert memory_room(machine(tmp_path, {"proc/self/cgroup": "0::/not/here\n"})).bytes == 8 * GB


def test_a_group_beyond_its_limit_leaves_nothing(tmp_path):
    files = {
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/memory.max": f"{GB}",
        "sys/fs/cgroup/memory.current": f"{2 * GB}",
    }
    assert memory_room(machine(tmp_path, files)).bytes == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ulimit -v is of Linux")
def test_a_limit_by_ulimit_is_seen():
    check = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30));"
        "from embtrain.planning.machine import memory_room; room = memory_room();"
        "print(room.bytes < 3 << 30, room.bound)"
    )
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert found.stdout == "True left of the limit by ulimit -v\n"


def test_the_disk_of_a_folder_that_is_not_there_yet_is_that_above_it(tmp_path):
    room = disk_room(tmp_path / "a" / "b")
    assert room.bytes > 0
    assert room.bound == f"free on the disk of {tmp_path}/a/b"


def test_cores_are_those_that_this_process_may_run_on():
    assert 1 <= num_cores() <= os.cpu_count()

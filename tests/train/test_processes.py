"""Processes that find each other, whoever has started them."""

import os
import socket
import subprocess
import sys

JOIN = """
from embtrain.distributed import process_group
with process_group() as group:
    print(group.rank, group.world_size, group.local_world_size)
"""


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_processes_of_one_machine_are_counted_though_each_has_a_launcher_of_its_own():
    launcher = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", JOIN], env=os.environ | launcher | {"RANK": str(rank)}, stdout=subprocess.PIPE
        )
        for rank in range(2)
    ]
    assert [process.communicate(timeout=100)[0].split() for process in started] == [
        [b"0", b"2", b"2"],
        [b"1", b"2", b"2"],
    ]

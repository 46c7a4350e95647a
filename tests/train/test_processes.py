"""Processes that find each other, whoever has started them."""

import os
import socket
import subprocess
import sys

import numpy as np
import pytest

JOIN = """
from embtrain.distributed import process_group
with process_group() as group:
    print(group.rank, group.world_size, group.local_world_size)
"""


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


SUM = """
import numpy as np
import torch
from embtrain.distributed import process_group, is_sent_directly
with process_group() as group:
    small, large = np.linspace(0, 1 / 3, 1000, dtype="f4") * (1 + group.rank), torch.full((2 << 20,), 0.1 + group.rank)
    assert is_sent_directly(small.nbytes, 3) and not is_sent_directly(large.nbytes, 3)
    half = torch.tensor([1.0 + group.rank]).bfloat16()
    waits = [group.begin_sum(values) for values in (small, large, half)]
    for wait in reversed(waits):
        wait()
    print(small.tobytes().hex(), float(large.mean()), float(half))
"""


FAIL = """
import time
import numpy as np
from embtrain.distributed import process_group
from embtrain.errors import SetupError
try:
    with process_group() as group:
        if group.is_first:
            raise ValueError
        group.sum(np.zeros(1))
except ValueError:
    time.sleep(3)
    print("failed", time.time())
except SetupError:
    print("freed", time.time())
"""


def in_processes(world_size, script):
    """Run a script in processes that meet; return what each has printed, as words."""
    launcher = {"WORLD_SIZE": str(world_size), "LOCAL_WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1"}
    launcher["MASTER_PORT"] = str(free_port())
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script], env=os.environ | launcher | {"RANK": str(rank)}, stdout=subprocess.PIPE
        )
        for rank in range(world_size)
    ]
    return [process.communicate(timeout=100)[0].decode().split() for process in started]


def test_processes_of_one_machine_are_counted_though_each_has_a_launcher_of_its_own():
    assert in_processes(2, JOIN) == [["0", "2", "2"], ["1", "2", "2"]]


def test_sums_that_are_under_way_together_arrive_alike_in_all_processes():
    found = in_processes(3, SUM)
    assert found[1:] == [found[0]] * 2, "bit for bit"
    small, large, half = found[0]
    expected = np.linspace(0, 1 / 3, 1000, dtype="f4") * 6
    np.testing.assert_allclose(np.frombuffer(bytes.fromhex(small), "f4"), expected, rtol=1e-6)
    assert float(large) == pytest.approx(3.3, rel=1e-6)
    assert float(half) == 6


def test_a_process_that_fails_frees_those_that_wait_for_it_before_it_ends():
    (failed, ended), (freed, since) = in_processes(2, FAIL)
    assert (failed, freed) == ("failed", "freed")
    assert float(since) < float(ended)

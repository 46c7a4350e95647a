"""Processes that train by tiles, as each does on a GPU of its own, here in Triton's interpreter."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from corpora import two_topics

pytestmark = pytest.mark.interpreted
WORKER = Path(__file__).with_name("tile_processes.py")


@pytest.fixture(scope="module")
def trained_by_two(tmp_path_factory):
    """Return what either of two processes of torchrun has written."""
    folder = tmp_path_factory.mktemp("by-two")
    snapshot = two_topics(folder / "snapshot", sentences=80, rows_per_group=20)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(WORKER)]
    environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": str(WORKER.parents[2])}
    done = subprocess.run(
        [*command, snapshot.location.path, str(folder)],
        env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [np.load(folder / f"{rank}.npz") for rank in range(2)]


def test_they_end_with_the_same_vectors(trained_by_two):
    one, other = trained_by_two
    np.testing.assert_array_equal(one["vectors"], other["vectors"])


def test_they_merge_within_row_groups(trained_by_two):
    rounds = 3 * 2  # epochs of four row groups for two processes
    for process in trained_by_two:
        assert process["merges"] > 3 * rounds


def test_the_loss_falls(trained_by_two):
    losses = trained_by_two[0]["losses"]
    assert (np.diff(losses) < 0).all()

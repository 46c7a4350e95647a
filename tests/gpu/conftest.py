"""Kernels for GPUs are tested on one where there is one, and else in Triton's interpreter, on the CPU."""

import os

import numpy as np
import pytest
from packaging.version import Version

torch = pytest.importorskip("torch", reason="an extra: pip install -e '.[gpu]'")
triton = pytest.importorskip("triton", reason="an extra: pip install -e '.[gpu]'")

TOO_OLD = Version(triton.__version__) < Version("3.7") and Version(np.__version__) >= Version("2.4")
"""The interpreter of earlier versions takes arrays of one number for numbers, which NumPy allows no more."""

DEVICE = "cuda" if torch.cuda.is_available() and "TRITON_INTERPRET" not in os.environ else "cpu"


@pytest.fixture(scope="session")
def device():
    """Give the device that kernels are tested on."""
    return DEVICE


@pytest.fixture(scope="session")
def programs():
    """Give how many programs are to work at the same time: in the interpreter one by one, so that a few will do."""
    return 64 if DEVICE == "cuda" else 3


@pytest.fixture(scope="session")
def assert_same_changes():
    """Give a function that compares changes of rows by many programs with those of a twin, which takes tile after tile.

    At a very small learning rate order matters to second order alone. A step that is lost shows in the row it was for.
    """

    def compare(before, after, expected):
        change = expected - before
        assert np.abs(change).max() > 0
        np.testing.assert_allclose(after - before, change, atol=0.01 * np.abs(change).max())

    return compare


def pytest_collection_modifyitems(items):
    """Leave out what only a GPU can show where there is none, and what an interpreter that is too old would compute."""
    for item in items:
        if DEVICE == "cpu" and item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="torch finds no GPU"))
        is_interpreted = item.get_closest_marker("interpreted") or (DEVICE == "cpu" and "device" in item.fixturenames)
        if TOO_OLD and is_interpreted:
            item.add_marker(pytest.mark.skip(reason="with NumPy 2.4 Triton's interpreter runs from version 3.7 on"))

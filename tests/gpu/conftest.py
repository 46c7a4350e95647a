"""Kernels for GPUs are tested on one where there is one, and else in Triton's interpreter, on the CPU."""

import os

import pytest

torch = pytest.importorskip("torch", reason="an extra: pip install -e '.[gpu]'")
pytest.importorskip("triton", reason="an extra: pip install -e '.[gpu]'")

DEVICE = "cuda" if torch.cuda.is_available() and "TRITON_INTERPRET" not in os.environ else "cpu"


@pytest.fixture(scope="session")
def device():
    """Give the device that kernels are tested on."""
    return DEVICE


def pytest_collection_modifyitems(items):
    """Leave out what only a GPU can show where there is none."""
    for item in items:
        if DEVICE == "cpu" and item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="torch finds no GPU"))

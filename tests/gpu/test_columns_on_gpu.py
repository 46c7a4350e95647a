"""Columns on a GPU: after an epoch they are those of the CPU, where the other tests compute the same."""

import numpy as np
import pytest

from column_processes import MODELS, prepared
from corpora import counted_topics, with_subwords
from embtrain.checkpoint import Position


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus") / "snapshot"
    return with_subwords(counted_topics(folder, sentences=120, rows_per_group=20))


def trained(snapshot, folder, *, name, device):
    """Return both matrices after an epoch."""
    training = prepared(snapshot, folder / device, name=name, compute="device", device=device, epochs=1)
    training.run(Position())
    return training.model.state()


@pytest.mark.gpu
@pytest.mark.parametrize("name", MODELS)
def test_a_gpu_makes_the_rows_that_the_cpu_makes(snapshot, tmp_path, name):
    found, expected = (trained(snapshot, tmp_path, name=name, device=device) for device in ("cuda", "cpu"))
    for matrix, rows in expected.items():
        np.testing.assert_allclose(found[matrix], rows, rtol=1e-4, atol=1e-4)

"""Versions whose files belong to another user."""

import os
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

import embtrain
from embtrain import workflow
from embtrain.errors import SetupError
from embtrain.vectors import Vectors

NOBODY = 65534
VECTORS = Vectors(["king", "queen"], np.eye(2, dtype=np.float32))


@contextmanager
def as_another_user():
    """Run the block as a user of no rights, where these tests are run by root, whom no mode of a file keeps out."""
    user = os.geteuid()
    os.seteuid(user or NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


def test_vectors_that_this_user_may_not_read_are_said_to_be_there(monkeypatch):
    # Not pytest's folder, which no other user may enter.
    with TemporaryDirectory() as folder:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        monkeypatch.chdir(folder)
        uri = workflow.register_vectors(VECTORS, name="closed", source="somewhere")
        embtrain.load(uri)
        Path(folder).chmod(0o777)
        Path("mlflow.db").chmod(0o666)
        for closed in ("artifacts/vectors/vectors.safetensors", "artifacts/vectors", "artifacts"):
            [path] = Path().glob(f"mlruns/*/models/*/artifacts/{closed}")
            mode = path.stat().st_mode
            path.chmod(0)
            with as_another_user(), pytest.raises(SetupError, match=f"the vectors of {uri} are there, but cannot be "):
                embtrain.load("models:/closed@champion")
            path.chmod(mode)

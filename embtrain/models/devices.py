"""Which device a model trains on, and why: asked of the machine once, and said in the log."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.util import find_spec

from embtrain.errors import ConfigError, SetupError

logger = logging.getLogger(__name__)


def choose_device(
    wanted: str, without_kernel: str | None, packages: Sequence[str] = ("torch", "triton"), *, slower: str | None = None
) -> str:
    """Return ``cuda`` or ``cpu``, and log which, and why; for ``auto``, the GPU if it is there and can be used.

    Args:
        wanted: `train.device`.
        without_kernel: what of the model has no kernel for GPUs, for messages; None if there is one.
        packages: that it takes to compute on a GPU.
        slower: why the model would train more slowly on a GPU, for messages: ``auto`` is then the CPU.

    Raises:
        ConfigError: if a GPU is wanted for a model that has no kernel for it.
        SetupError: if a GPU is wanted, and torch or triton is not installed, or torch finds none.
    """
    obstacle = None if wanted == "cpu" else _obstacle(without_kernel, packages)
    if wanted == "auto":
        obstacle = slower or obstacle
    if wanted == "cuda" and obstacle:
        error = ConfigError if without_kernel else SetupError
        raise error(f"train.device is cuda, but {obstacle}; set it to auto or cpu to train on the CPU")
    if wanted == "cpu" or obstacle:
        logger.info("training on the CPU: %s", obstacle or "train.device is cpu")
        return "cpu"
    import torch  # noqa: PLC0415 - models that train on CPU threads do without

    reason = "torch finds it" if wanted == "auto" else "train.device is cuda"
    logger.info("training on the GPU %s: %s", torch.cuda.get_device_name(), reason)
    return "cuda"


def _obstacle(without_kernel: str | None, packages: Sequence[str]) -> str | None:
    """Return why a model cannot train on a GPU here, or None. What costs least to know is asked first."""
    if without_kernel:
        return f"{without_kernel} has no kernel for GPUs"
    for package in packages:
        if not find_spec(package):
            return f"the package {package}, which it takes, is not installed (pip install 'embtrain[gpu]')"
    import torch  # noqa: PLC0415 - as above

    return None if torch.cuda.is_available() else "torch finds no GPU"

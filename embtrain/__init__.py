"""Word embeddings from Spark to MLflow.

``import embtrain`` is light: nothing but the version is loaded until it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embtrain.loading import load as load
    from embtrain.loading import load_words as load_words
    from embtrain.vectors import Vectors as Vectors

__version__ = "0.1.0"

__all__ = ["Vectors", "load", "load_words"]

_HOME = {"Vectors": "embtrain.vectors", "load": "embtrain.loading", "load_words": "embtrain.loading"}


def __getattr__(name: str) -> Any:
    """Import the vectors API at its first use, so that Spark's workers need not pay for it."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'embtrain' has no attribute {name!r}")

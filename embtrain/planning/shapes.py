"""The arrays that a training changes, by model: what is held, saved, and brought together between processes."""

from __future__ import annotations

import math

from embtrain.config import (
    CbowSettings,
    ElmoSettings,
    FactorisedModel,
    FastTextSettings,
    GloveSettings,
    ModelSettings,
    SgnsSettings,
)
from embtrain.kernels.padding import padded
from embtrain.planning.sizes import Sizes

FLOAT_BYTES = 4

HALF_BYTES = 2
"""Of a number in bfloat16, as changes of rows are sent."""

Shapes = dict[str, tuple[int, int]]


def state_shapes(model: ModelSettings, sizes: Sizes) -> Shapes:
    """Return the shape of each matrix of float32 that a shallow model trains, as its ``state()`` names them.

    ELMo's parameters are counted in :mod:`embtrain.planning.elmo`; what is factorised has no state.
    """
    match model:
        case ElmoSettings() | FactorisedModel():
            return {}
        case GloveSettings(dim=dim):
            row = 2 * padded(dim + 2)  # with its bias, and AdaGrad's sums beside
            return {"words": (sizes.vocabulary, row), "contexts": (sizes.vocabulary, row)}
        case FastTextSettings(dim=dim):
            return {
                "input": (sizes.vocabulary + sizes.buckets, padded(dim)),
                "output": (sizes.vocabulary, padded(dim)),
            }
        case SgnsSettings(dim=dim, objective=objective) | CbowSettings(dim=dim, objective=objective):
            row = dim if objective == "softmax" else padded(dim)
            nodes = sizes.vocabulary - (objective == "hierarchical_softmax")
            return {"input": (sizes.vocabulary, row), "output": (nodes, row)}
    raise TypeError(type(model))


def bytes_of(shapes: Shapes) -> int:
    """Return the bytes of all matrices together."""
    return sum(FLOAT_BYTES * math.prod(shape) for shape in shapes.values())

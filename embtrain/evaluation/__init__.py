"""How good vectors are: on human word similarities and on analogy questions."""

from embtrain.evaluation.suite import Evaluation, evaluate

__all__ = ["Evaluation", "evaluate"]

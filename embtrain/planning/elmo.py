"""What ELMo's biLM needs, from its sizes alone: parameters, and the memory of a step of training.

Shapes: D = 2 directions, T steps, B rows of a process, C cells, P numbers a word, F filters, V words.
"""

from __future__ import annotations

from embtrain.config import ElmoArchitecture, ElmoSettings
from embtrain.planning.shapes import FLOAT_BYTES
from embtrain.text.characters import NUM_CHARACTERS

DIRECTIONS = 2
_MARKS = 2
_CHARACTERS = 12
"""Places of a word that a convolution goes over: words have about seven letters, and marks around them."""

_KEPT_GATES = 8
"""Numbers per cell that the backward pass finds or makes: four gates and their gradients."""

_KEPT_STATES = 3
"""Likewise: the cells before and after a step, and what is projected of them."""

_KEPT_SCORES = 3
"""Scores, their softmax and its gradient."""


def num_bilm_parameters(model: ElmoArchitecture) -> int:
    """Return the parameters from characters to layers."""
    filters, words, cells = model.num_filters, model.projection_dim, model.cell_dim
    convolutions = sum(number * (width * model.char_dim + 1) for width, number in model.filters)
    highways = model.highways * 2 * filters * (filters + 1)
    characters = NUM_CHARACTERS * model.char_dim + convolutions + highways + words * (filters + 1)
    lstm = 2 * words * 4 * cells + 4 * cells + cells * words
    return characters + model.layers * DIRECTIONS * lstm


def num_softmax_parameters(model: ElmoSettings, vocabulary: int) -> int:
    """Return the weights and biases of all words, and of the two marks."""
    sets = 1 if model.share_softmax else DIRECTIONS
    return sets * (vocabulary + _MARKS) * (model.projection_dim + 1)


def num_parameters(model: ElmoSettings, vocabulary: int) -> int:
    """Return the numbers that training changes."""
    return num_bilm_parameters(model) + num_softmax_parameters(model, vocabulary)


def num_carried(model: ElmoSettings, processes: int) -> int:
    """Return the numbers that the LSTMs of all processes' rows remember from batch to batch."""
    rows = model.batch_size * processes
    return model.layers * DIRECTIONS * rows * (model.cell_dim + model.projection_dim)


def num_gradients(model: ElmoSettings, vocabulary: int) -> int:
    """Return the numbers of a step's gradient: of a sampled softmax, the rows of candidates and targets alone."""
    if vocabulary + _MARKS <= 2 * model.num_samples:
        rows = vocabulary + _MARKS
    else:
        targets = DIRECTIONS * model.unroll_steps * model.batch_size
        rows = min(vocabulary + _MARKS, model.num_samples + targets)
    sets = 1 if model.share_softmax else DIRECTIONS
    return num_bilm_parameters(model) + sets * rows * (model.projection_dim + 1)


def activation_bytes(model: ElmoSettings, vocabulary: int, *, half: bool) -> int:
    """Return the memory of one batch between its forward and its backward pass.

    Args:
        model: its sizes.
        vocabulary: V.
        half: whether products are computed in bfloat16.
    """
    size = FLOAT_BYTES // 2 if half else FLOAT_BYTES
    tokens = DIRECTIONS * model.unroll_steps * model.batch_size
    layer = _KEPT_GATES * model.cell_dim + _KEPT_STATES * (model.cell_dim + model.projection_dim)
    words = min(vocabulary + _MARKS, tokens // DIRECTIONS)
    convolved = words * model.num_filters * (_CHARACTERS + 2 * model.highways)
    scored = min(vocabulary + _MARKS, 2 * model.num_samples)
    return size * (tokens * model.layers * layer + convolved) + FLOAT_BYTES * _KEPT_SCORES * tokens * scored

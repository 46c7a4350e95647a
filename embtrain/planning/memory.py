"""The memory that a process takes at most, by what it is for.

Three stages follow one another, and the largest decides: tables are read and laid out, the model is trained, and the
vectors are registered, which makes copies while the model is still there. tests/train/test_planned_memory.py holds the
estimate of training against what processes really take.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from embtrain.config import (
    ElmoSettings,
    FactorisedModel,
    FastTextSettings,
    GloveSettings,
    LsaSettings,
    PpmiSvdSettings,
    SampledModel,
    Settings,
    TrainedModel,
)
from embtrain.data.tiles import BAND_CELLS, MAX_TILES, PIECE_CELLS, SIDE_BITS
from embtrain.kernels.padding import padded
from embtrain.models.column_glove import MOST_CELLS, SPAN_CELLS
from embtrain.planning.elmo import activation_bytes, num_bilm_parameters, num_carried, num_gradients, num_parameters
from embtrain.planning.shapes import FLOAT_BYTES, HALF_BYTES, bytes_of, state_shapes
from embtrain.planning.sizes import Sizes

Items = dict[str, int]
"""Bytes by what they are for."""

LIBRARIES = 300 << 20
"""Python, NumPy, Arrow, numba with its compiled kernels, and MLflow."""

TORCH = 250 << 20
"""Where torch computes, or brings processes together."""

CUDA = 500 << 20
"""Its context, and what it has compiled."""

CELL_SORTED = 64
"""Of each cell that is copied to a GPU: itself, there and where it stays, its 64-bit key, and of the sort the keys, the
places, before and after, and as much again to work in."""

DRAWN = 32
"""Of each word of a row group on a GPU: random numbers, which are kept, where these go, and of which sequence."""

TABLE_READING = 24 << 20
"""Arrow's buffers and threads, and the piece of a table that is decoded."""

CELL_READING = 80 << 20
"""The same for co-occurrences, whose row groups are of some two million cells."""

WORD = 113
"""Of each word of the vocabulary: a Python string of up to 15 letters and its place in a list, its count, and its
probabilities in the form of Parquet and of NumPy."""

WORD_DRAWN = 20
"""An entry of the alias table, how often the word occurs, and the threshold of subsampling."""

WORD_REGISTERED = 375
"""Two dictionaries of words, the second with strings of its own: the version is loaded back before it is trusted."""

TILE = 104
"""A tile's number of cells, and its segment in the order of an epoch, while that is shuffled."""

MERGED = 16
"""Of each row that is merged: how often its word occurs, and its turn."""

NGRAM = 30
"""Of each n-gram of a word: its bucket, its row, and what the allocator keeps of the memory that numbered them."""

NGRAM_NUMBERED = 36
"""Of each n-gram of a word, while its bucket's row is looked for: two sorts of 64-bit places, and what they give."""


BATCH_PRODUCTS, PRODUCT_COPIES = 1 << 15, 6
"""Of `train.parallel` columns on a GPU: products of the largest batch, and rows that each has at most at a time."""

CELL_DEALT_OUT = 12
"""Of a cell in its batch: the places of its rows, and the logarithm of its weight."""

CELL_ON_DEVICE, CELL_COPIES = 48, 8
"""The same on a GPU, with its weight, its error, and what their sum takes; and the rows of a cell of a batch there."""


@dataclass(frozen=True)
class Memory:
    """Bytes that one process takes, by stage and purpose."""

    reading: Items
    training: Items
    registering: Items
    device: Items = field(default_factory=dict)
    """Of the GPU that it trains on, where it does."""

    @property
    def peak(self) -> int:
        """Return the bytes of the stage that takes most."""
        return max(self.before_registering, sum(self.registering.values()))

    @property
    def before_registering(self) -> int:
        """Return the bytes that each process takes at most, were it not the first."""
        return max(sum(self.reading.values()), sum(self.training.values()))

    @property
    def on_device(self) -> int:
        """Return the bytes of the GPU's memory."""
        return sum(self.device.values())


def estimate_memory(settings: Settings, sizes: Sizes, *, processes: int = 1, device: str = "cpu") -> Memory:
    """Estimate what the first of ``processes`` processes takes; the others register nothing.

    Args:
        settings: of the run.
        sizes: of its corpus.
        processes: that train together.
        device: ``cpu``, or ``cuda``, where the arrays that are trained are then.
    """
    model = settings.model
    uses_torch = processes > 1 or device != "cpu" or isinstance(model, ElmoSettings)
    everywhere = {
        "Python and its libraries": LIBRARIES + TORCH * uses_torch,
        "reading tables": TABLE_READING,
        "words": WORD * sizes.vocabulary,
    }
    if isinstance(model, FactorisedModel):
        return _of_factorisation(settings, sizes, everywhere)
    by_columns = settings.train.parallel == "columns"
    trained = _trained(_as_held(settings, processes), sizes, processes)
    # Who holds columns merges no copies; those of others are where the rows are.
    merged = {} if by_columns or processes == 1 else _merged(model, sizes, device)
    held = everywhere | _beside(model, sizes) | (_dealt_out(model, sizes) if by_columns else {})
    # What a GPU trains is copied to the host for checkpoints, and at the end.
    on_host = held | (trained | merged if device == "cpu" else {"a copy of what the GPU trains": sum(trained.values())})
    return Memory(
        reading=everywhere | _laid_out(model, sizes, 1 if by_columns else processes),
        training=on_host,
        registering=on_host | _registered(model, sizes, gathered=by_columns),
        device={} if device == "cpu" else trained | merged | _on_device(settings, sizes, processes),
    )


def _as_held(settings: Settings, processes: int) -> TrainedModel:
    """Return a model with the rows that one process holds: of `train.parallel` columns, shorter ones."""
    model = settings.model
    assert not isinstance(model, FactorisedModel)
    if settings.train.parallel == "data":
        return model
    if isinstance(model, GloveSettings):  # of whose rows two columns and the padding are split, too
        return model.model_copy(update={"dim": -(-padded(model.dim + 2) // processes) - 2})
    assert isinstance(model, SampledModel)
    return model.model_copy(update={"dim": -(-model.dim // processes)})


def _trained(model: TrainedModel, sizes: Sizes, processes: int) -> Items:
    """Return what is trained, and what only its steps need, on whatever device."""
    if isinstance(model, ElmoSettings):
        parameters = FLOAT_BYTES * num_parameters(model, sizes.vocabulary)
        half = model.precision == "bfloat16"
        return {
            "weights": parameters,
            "Adagrad's sums": parameters,
            "gradients": FLOAT_BYTES * num_gradients(model, sizes.vocabulary) * (1 + (processes > 1)),
            "what the LSTMs remember": FLOAT_BYTES * num_carried(model, processes),
            "activations of a batch": activation_bytes(model, sizes.vocabulary, half=half),
        }
    shapes = state_shapes(model, sizes)
    with_sums = ", AdaGrad's sums with them" if isinstance(model, GloveSettings) else ""
    return {f"{name} rows{with_sums}": bytes_of({name: shape}) for name, shape in shapes.items()}


def _on_device(settings: Settings, sizes: Sizes, processes: int) -> Items:
    """Return what a GPU holds besides; row groups stay there while there is room, and are no need."""
    items, model = {"CUDA and its libraries": CUDA}, _as_held(settings, processes)
    if settings.train.parallel == "columns":
        if isinstance(model, GloveSettings):
            rows = CELL_COPIES * FLOAT_BYTES * (model.dim + 2) * min(sizes.cells, MOST_CELLS)
            return items | {"cells of a span": CELL_ON_DEVICE * SPAN_CELLS, "rows of a batch of cells": rows}
        assert isinstance(model, SampledModel)
        items["how often rows are in a batch"] = FLOAT_BYTES * sum(
            rows for rows, _ in state_shapes(model, sizes).values()
        )
        return items | {"products of a batch": PRODUCT_COPIES * FLOAT_BYTES * model.dim * BATCH_PRODUCTS}
    if isinstance(model, GloveSettings):
        return items | {"a piece of cells, while they are sorted": CELL_SORTED * min(sizes.cells, PIECE_CELLS)}
    if not isinstance(model, ElmoSettings):
        items["what words are drawn by"] = 2 * 8 * sizes.vocabulary
        items["how much of each row is in flight"] = FLOAT_BYTES * sum(
            r for r, _ in state_shapes(model, sizes).values()
        )
        items["a row group, and what is drawn from it"] = DRAWN * sizes.largest_row_group + sizes.row_group_bytes
    if isinstance(model, FastTextSettings):
        items["rows of each word"] = 4 * (sizes.ngrams + sizes.vocabulary) + 8 * sizes.vocabulary
    return items


def _merged(model: TrainedModel, sizes: Sizes, device: str) -> Items:
    """Return what brings the rows of several processes together: who trains GloVe or ELMo keeps no copies."""
    if isinstance(model, GloveSettings | ElmoSettings):
        return {}
    from embtrain.replicas import SETTLING_MESSAGES  # noqa: PLC0415 - loads torch, as those do that merge

    shapes = state_shapes(model, sizes)
    copies = bytes_of(shapes) + MERGED * sum(rows for rows, _ in shapes.values())
    # In bfloat16: those of this process, the message, and the other one's; a GPU makes them of three arrays in float32.
    of_each = 3 * HALF_BYTES if device == "cpu" else 2 * HALF_BYTES + 3 * FLOAT_BYTES
    changes = bytes_of(shapes) // FLOAT_BYTES * of_each // SETTLING_MESSAGES
    return {"copies for merging": copies, "changes on their way": changes}


def _beside(model: TrainedModel, sizes: Sizes) -> Items:
    """Return what training holds in the memory of the host besides the rows."""
    if isinstance(model, GloveSettings):
        return {"reading co-occurrences": CELL_READING, "the order of tiles": TILE * _tiles(sizes)}
    items = {"row groups, one ahead": 2 * sizes.row_group_bytes}
    if isinstance(model, ElmoSettings):
        # Both directions' inputs and targets, of the row group and while it is laid out.
        return items | {"text in rows": 8 * 4 * sizes.largest_row_group}
    items["what words are drawn by"] = WORD_DRAWN * sizes.vocabulary
    if isinstance(model, FastTextSettings):
        rows = sizes.vocabulary + sizes.buckets
        items["rows of each word"] = NGRAM * sizes.ngrams + 24 * sizes.vocabulary + 8 * rows
    elif model.objective == "hierarchical_softmax":
        items["paths of the tree"] = 4 * round(sizes.vocabulary * mean_path(sizes.vocabulary)) + 8 * sizes.vocabulary
    return items


def _dealt_out(model: TrainedModel, sizes: Sizes) -> Items:
    """Return what who holds columns of GloVe's rows has besides."""
    if not isinstance(model, GloveSettings):
        return {}
    dealt_out = 2 * CELL_DEALT_OUT * min(sizes.cells, SPAN_CELLS)
    return {"cells in batches, one span ahead": dealt_out, "how many cells each row has": 2 * 4 * sizes.vocabulary}


def _laid_out(model: TrainedModel, sizes: Sizes, sharing: int) -> Items:
    """Return what is needed before the rows are there; so many processes share the cells."""
    match model:
        case GloveSettings():
            band = 8 * min(-(-sizes.cells // sharing), BAND_CELLS)
            return {"reading co-occurrences": CELL_READING, "a band of cells, sorted": band}
        case FastTextSettings():
            return {"n-grams, numbered": NGRAM_NUMBERED * sizes.ngrams}
        case ElmoSettings():
            return {"characters": 3 * 50 * 4 * sizes.vocabulary}
        case _:
            return {}


def _registered(model: TrainedModel, sizes: Sizes, *, gathered: bool) -> Items:
    """Return what is there while vectors are registered. What is loaded back is a file, which the system maps.

    Args:
        model: as it is registered.
        sizes: of its corpus.
        gathered: whether its rows are brought together from the columns of all processes, in a file likewise.
    """
    if isinstance(model, ElmoSettings):
        weights = FLOAT_BYTES * num_bilm_parameters(model)
        return {"the biLM, loaded back": 2 * weights, "words, loaded back": WORD_REGISTERED * sizes.vocabulary}
    twice = 2 if isinstance(model, GloveSettings) and model.vectors == "both" else 1
    vectors = twice * FLOAT_BYTES * model.dim * sizes.vocabulary
    items = {"words, loaded back": WORD_REGISTERED * sizes.vocabulary}
    if not gathered or isinstance(model, FastTextSettings | GloveSettings):  # these are made of several rows
        items["vectors"] = vectors
    if isinstance(model, FastTextSettings):
        items["vectors, made of the rows that are loaded back"] = vectors
    return items


def _of_factorisation(settings: Settings, sizes: Sizes, everywhere: Items) -> Memory:
    """Return what counting models take: the matrix, its transpose, and ARPACK's vectors."""
    model = settings.model
    assert isinstance(model, PpmiSvdSettings | LsaSettings)
    cells = sizes.terms if isinstance(model, LsaSettings) else sizes.cells
    rows, columns = (sizes.documents if isinstance(model, LsaSettings) else sizes.vocabulary), sizes.vocabulary
    basis = 3 * model.dim // 2 + 10
    matrix = {"the matrix and its transpose": 2 * 8 * cells + 2 * 8 * (rows + columns)}
    vectors = FLOAT_BYTES * model.dim * (rows + columns)
    found = {"singular vectors": 2 * vectors, "ARPACK's basis": FLOAT_BYTES * basis * min(rows, columns)}
    registered = FLOAT_BYTES * model.dim * sizes.vocabulary
    return Memory(
        reading=everywhere | {"the table, while it is weighed": 2 * 8 * cells},
        training=everywhere | matrix | found,
        registering=everywhere
        | {"vectors": vectors + registered, "words, loaded back": WORD_REGISTERED * sizes.vocabulary},
    )


def _tiles(sizes: Sizes) -> int:
    """Return the tiles of a matrix of cells: no more than have a cell."""
    side = -(-sizes.vocabulary >> SIDE_BITS)
    return min(MAX_TILES, side * side, sizes.cells)


def mean_path(vocabulary: int) -> float:
    """Return the mean length of the words' paths in a Huffman tree where words follow Zipf's law.

    A word's path is about as long as its information: the r-th word's, log2(r H), H being the harmonic number.
    """
    harmonic = math.log(max(2, vocabulary)) + 0.5772
    return math.log2(max(2, vocabulary) * harmonic) - 1 / math.log(2)

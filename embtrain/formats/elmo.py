"""ELMo as it is published: ``…options.json`` and ``…weights.hdf5``, of bilm-tf and AllenNLP.

embtrain writes both into one folder, with ``vocabulary.parquet`` and the rules of text beside them, which other tools
do not look at. Any folder that has one file of each of the first two is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn

from embtrain.contextual_vectors import ContextualVectors
from embtrain.errors import FormatError
from embtrain.formats.elmo_options import architecture_of, options_of
from embtrain.formats.files import errors_named, finished
from embtrain.formats.tokeniser_files import read_tokeniser, write_tokeniser
from embtrain.formats.words import utf8_words
from embtrain.models.elmo.bilm import DIRECTIONS, BiLM
from embtrain.schema import VOCABULARY

OPTIONS, WEIGHTS = "options.json", "weights.hdf5"
_VOCABULARY = "vocabulary.parquet"

Places = Mapping[str, list[Tensor]]


def read(folder: Path) -> ContextualVectors:
    """Read a published model, or one that :func:`write` wrote.

    Raises:
        FormatError: if a file is missing or damaged, or the weights do not fit the options.
    """
    options = only_file(folder, OPTIONS)
    with errors_named(options):
        architecture = architecture_of(json.loads(options.read_text("utf-8")), options)
    weights = only_file(folder, WEIGHTS)
    with _arrays(weights) as file:
        with torch.device("meta"):  # options that the weights do not fit may ask for more memory than there is
            sketch = BiLM(architecture)
        _require_fit(file, _places_in(file, sketch), weights, options)
        bilm = BiLM(architecture)
        _fill(_places_in(file, bilm), file, weights)
    vocabulary, counts = _read_vocabulary(folder / _VOCABULARY)
    return ContextualVectors(bilm, vocabulary=vocabulary, counts=counts, tokeniser=read_tokeniser(folder))


def write(vectors: ContextualVectors, folder: Path) -> None:
    """Write a model for other tools, and for :func:`read`. The folder appears once it is whole.

    Raises:
        FormatError: if there is something of that name already, or the place cannot be written to.
    """
    if folder.exists():
        raise FormatError(f"{folder} exists already; delete it, or choose the name of a new folder")
    with finished(folder) as unfinished:
        unfinished.mkdir()
        options = options_of(vectors.bilm.architecture)
        (unfinished / OPTIONS).write_text(json.dumps(options, indent=1) + "\n", "utf-8")
        with h5py.File(unfinished / WEIGHTS, "w") as file:
            for name, parts in published_places(vectors.bilm).items():
                file[name] = np.concatenate([part.detach().cpu().numpy() for part in parts])
        if vectors.vocabulary:
            size = len(vectors.vocabulary)
            counts = pa.nulls(size, pa.int64()) if vectors.counts is None else pa.array(vectors.counts)
            columns = [pa.array(np.arange(size, dtype=np.int32)), utf8_words(vectors.vocabulary, folder), counts]
            table = pa.table(columns, schema=VOCABULARY.arrow_schema)
            pq.write_table(table, unfinished / _VOCABULARY, compression="zstd")
        write_tokeniser(vectors.tokeniser, unfinished)


def only_file(folder: Path, ending: str) -> Path:
    """Return the one file of a folder whose name ends so.

    Raises:
        FormatError: if there is none, or more than one.
    """
    found = sorted(folder.glob(f"*{ending}"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise FormatError(f"expected one file *{ending} in {folder}, for an ELMo model has one; found {names}")
    return found[0]


def published_places(bilm: BiLM) -> dict[str, list[Tensor]]:
    """Say where each published array is kept: views of the weights, in the published layout, joined by rows.

    Convolutions are ``(1, width, character, filter)`` there, other matrices ``(input, output)``. The first of the
    embedded characters is our second: the padding of sentences has none.
    """
    encoder = bilm.characters
    places = {"char_embed": [encoder.embedding.weight[1:]]}
    for number, convolution in enumerate(encoder.convolutions):
        places[f"CNN/W_cnn_{number}"] = [convolution.weight.permute(2, 1, 0)[None]]
        places[f"CNN/b_cnn_{number}"] = [cast("Tensor", convolution.bias)]
    for number, highway in enumerate(encoder.highways):
        for name, linear in (("carry", highway.carry), ("transform", highway.transform)):
            places[f"CNN_high_{number}/W_{name}"] = [linear.weight.T]
            places[f"CNN_high_{number}/b_{name}"] = [linear.bias]
    places["CNN_proj/W_proj"], places["CNN_proj/b_proj"] = [encoder.projection.weight.T], [encoder.projection.bias]
    for direction in range(DIRECTIONS):
        for depth, lstm in enumerate(bilm.lstms):
            cell = f"RNN_{direction}/RNN/MultiRNNCell/Cell{depth}/LSTMCell"
            places[f"{cell}/W_0"] = [lstm.input_weight[direction], lstm.state_weight[direction]]
            places[f"{cell}/B"] = [lstm.bias[direction]]
            places[f"{cell}/W_P_0"] = [lstm.projection[direction]]
    return places


def _places_in(file: h5py.File, bilm: BiLM) -> Places:
    """Return the places of what a file is to hold. Without a projection that would keep the size, it is the identity.

    bilm-tf projects words to another size alone, and so writes none of the same.
    """
    places = published_places(bilm)
    if "CNN_proj" in file or bilm.architecture.num_filters != bilm.architecture.projection_dim:
        return places
    nn.init.eye_(bilm.characters.projection.weight)
    nn.init.zeros_(bilm.characters.projection.bias)
    return {name: parts for name, parts in places.items() if not name.startswith("CNN_proj/")}


@contextmanager
def _arrays(weights: Path) -> Iterator[h5py.File]:
    try:
        with h5py.File(weights) as file:
            yield file
    except OSError as error:
        raise FormatError(f"{weights} is no HDF5 file, or damaged: {error}") from None


def _require_fit(file: h5py.File, places: Places, weights: Path, options: Path) -> None:
    """Refuse a file that cannot be copied to some places.

    Raises:
        FormatError: naming the first array that is missing, of another shape than the options say, or of no floats.
    """
    for name, parts in places.items():
        expected = (sum(len(part) for part in parts), *parts[0].shape[1:])
        array = file.get(name)
        found = tuple(array.shape) if isinstance(array, h5py.Dataset) else "no such array"
        if found != expected:
            raise FormatError(
                f"{weights} does not fit {options.name}: {name} must be of shape {expected}, found {found}"
            )
        if array.dtype.kind != "f":
            raise FormatError(f"{weights}: {name} must hold floating-point numbers, found {array.dtype}")


def _fill(places: Places, file: h5py.File, weights: Path) -> None:
    """Copy the arrays of a file to their places.

    Raises:
        FormatError: naming the first array in which a number is not finite.
    """
    for name, parts in places.items():
        array = torch.from_numpy(file[name][:].astype(np.float32))
        if not array.isfinite().all():
            raise FormatError(f"{weights}: {name} holds numbers that are not finite")
        with torch.no_grad():
            for part, rows in zip(parts, torch.split(array, [len(part) for part in parts]), strict=True):
                part.copy_(rows)


def _read_vocabulary(path: Path) -> tuple[list[str], Any]:
    if not path.exists():
        return [], None
    with errors_named(path):
        table = pq.read_table(path)
        VOCABULARY.check(table.schema)
        if table["token"].null_count:
            raise FormatError(f"{path} has {table['token'].null_count} nulls in its column 'token'; expected words")
    return table["token"].to_pylist(), None if table["count"].null_count else table["count"].to_numpy()

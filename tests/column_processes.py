"""Training by columns without MLflow, here or in the processes of torchrun: column_processes.py SNAPSHOT FOLDER."""

import sys
from itertools import product
from pathlib import Path

import numpy as np

from embtrain.checkpoint import Position
from embtrain.column_checkpoint import ColumnCheckpoint
from embtrain.columns import Columns
from embtrain.config import CbowSettings, SgnsSettings, TrainSettings
from embtrain.data.sequences import SequenceTable
from embtrain.data.vocabulary import Vocabulary
from embtrain.distributed import Group, process_group
from embtrain.manifest import Snapshot
from embtrain.models.build import build_model
from embtrain.models.columns import ColumnWord2Vec
from embtrain.models.gpu.columns import DeviceColumns
from embtrain.models.hogwild import starting_rows
from embtrain.schema import HELD_OUT
from embtrain.train import Training

DIM = 40
"""Of which three processes hold 13, 13 and 14."""

MODELS = {
    "sgns": SgnsSettings(dim=DIM, window=3),
    "cbow": CbowSettings(dim=DIM, window=3),
    "cbow as word2vec": CbowSettings(dim=DIM, window=3, gradient="word2vec"),
}


COMPUTES = ("threads", "device")


def built(model, vocabulary, columns, *, compute, threads, seed):
    """Return a model by columns; those of a device are computed as on a GPU, but on the CPU."""
    if compute == "threads":
        return build_model(model, vocabulary, threads=threads, seed=seed, columns=columns, device="cpu")
    rows = starting_rows(len(vocabulary), DIM, seed, slice(columns.first, columns.last))
    compute = DeviceColumns(model, rows, columns, device="cpu")
    return ColumnWord2Vec(model, vocabulary, columns, compute, lays_out_ahead=True)


def prepared(snapshot, checkpoint, *, name="sgns", compute="threads", group=None, threads=1, observe=None, **options):
    """Return a training by columns that is ready to run."""
    model, columns = MODELS[name], Columns.of(DIM, group or Group())
    vocabulary = Vocabulary.read(snapshot)
    sequences, held_out = (SequenceTable(snapshot, len(vocabulary), *table) for table in ([], [HELD_OUT]))
    return Training(
        model=built(model, vocabulary, columns, compute=compute, threads=threads, seed=1),
        source=sequences,
        held_out=held_out.read(held_out.row_groups[0]),
        settings=TrainSettings(**{"epochs": 2, **options}),
        learning_rate=model.learning_rate,
        group=Group(),
        checkpoint=ColumnCheckpoint(Path(checkpoint), {"model": model.model_dump()}, columns),
        observe=observe or (lambda _: None),
        advance=lambda _: None,
    )


def train(snapshot, folder, *, name, compute, group=None):
    """Train a model, and leave its checkpoint in the folder; return the vectors and the losses on held-out text."""
    losses = []
    training = prepared(
        snapshot,
        folder / f"{name} by {compute}",
        name=name,
        compute=compute,
        group=group,
        observe=lambda report: losses.append(report.held_out.loss) if report.held_out else None,
    )
    training.run(Position())
    return training.model.vectors(), losses


def main(snapshot, folder):
    """Train every model; the first process writes the vectors and losses."""
    with process_group() as group:
        for name, compute in product(MODELS, COMPUTES):
            vectors, losses = train(Snapshot.open(snapshot), folder, name=name, compute=compute, group=group)
            if group.is_first:
                np.savez(folder / f"{name} by {compute}.npz", vectors=vectors, losses=losses)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

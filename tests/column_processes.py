"""Training by columns without MLflow, here or in the processes of torchrun: column_processes.py SNAPSHOT FOLDER."""

import sys
from itertools import product
from pathlib import Path

import numpy as np

from embtrain.checkpoint import Position
from embtrain.column_checkpoint import ColumnCheckpoint
from embtrain.config import CbowSettings, FastTextSettings, GloveSettings, Settings, SgnsSettings
from embtrain.data.corpus import Corpus
from embtrain.data.strata import Strata, num_strata
from embtrain.data.vocabulary import Vocabulary
from embtrain.distributed import Group, process_group
from embtrain.manifest import Snapshot
from embtrain.models import glove_rows
from embtrain.models.build import build_model, columns_for
from embtrain.models.column_fasttext import ColumnFastText
from embtrain.models.column_glove import ColumnGlove
from embtrain.models.columns import ColumnWord2Vec
from embtrain.models.gpu.column_glove import DeviceGloveColumns
from embtrain.models.gpu.column_subwords import DeviceSubwords
from embtrain.models.gpu.columns import DeviceColumns
from embtrain.models.hogwild import starting_rows
from embtrain.models.subword_rows import SubwordRows
from embtrain.train import Training

DIM = 40
"""Of which three processes hold 13, 13 and 14."""

WORD2VEC = {
    "sgns": SgnsSettings(dim=DIM, window=3),
    "cbow": CbowSettings(dim=DIM, window=3),
    "cbow as word2vec": CbowSettings(dim=DIM, window=3, gradient="word2vec"),
}

MODELS = WORD2VEC | {
    "fasttext": FastTextSettings(dim=DIM, window=3),
    "fasttext cbow": FastTextSettings(dim=DIM, window=3, architecture="cbow"),
    "glove": GloveSettings(dim=DIM),
}

COMPUTES = ("threads", "device")


def built(model, vocabulary, subwords, columns, *, compute, threads, seed, device):
    """Return a model by columns; those of a device are computed as on a GPU, even where it is the CPU."""
    if compute == "threads":
        return build_model(
            model, vocabulary, threads=threads, seed=seed, subwords=subwords, columns=columns, device="cpu"
        )
    own = slice(columns.first, columns.last)
    if isinstance(model, GloveSettings):
        both = glove_rows.starting_rows(len(vocabulary), DIM, seed, own)
        of_cells = DeviceGloveColumns(model, both, columns, device=device)
        return ColumnGlove(
            model, vocabulary, Strata(len(vocabulary), num_strata(1)), columns, of_cells, lays_out_ahead=True
        )
    if isinstance(model, FastTextSettings):
        parts_of_words = SubwordRows.of(subwords)
        rows = starting_rows(parts_of_words.num_rows, DIM, seed, own)
        of_words = DeviceSubwords(model, rows, columns, parts=parts_of_words.parts, device=device)
        return ColumnFastText(model, vocabulary, parts_of_words, columns, of_words, lays_out_ahead=True)
    rows = starting_rows(len(vocabulary), DIM, seed, own)
    compute = DeviceColumns(model, rows, columns, vocab_size=len(vocabulary), device=device)
    return ColumnWord2Vec(model, vocabulary, columns, compute, lays_out_ahead=True)


def prepared(
    snapshot,
    checkpoint,
    *,
    name="sgns",
    compute="threads",
    device="cpu",
    group=None,
    threads=1,
    observe=None,
    **options,
):
    """Return a training by columns that is ready to run."""
    vocabulary = Vocabulary.read(snapshot)
    settings = Settings(
        name="test",
        model=MODELS[name],
        train={"epochs": 2, "parallel": "columns", "checkpoint": str(checkpoint), **options},
    )
    corpus, columns = (
        Corpus.open(settings, snapshot, len(vocabulary), Group()),
        columns_for(settings.model, group or Group()),
    )
    model = built(
        settings.model, vocabulary, corpus.subwords, columns, compute=compute, threads=threads, seed=1, device=device
    )
    return Training(
        model=model,
        source=corpus.source,
        held_out=corpus.held_out,
        settings=settings.train,
        learning_rate=settings.model.learning_rate,
        group=Group(),
        checkpoint=ColumnCheckpoint(Path(checkpoint), {"model": settings.model.model_dump()}, columns),
        observe=observe or (lambda _: None),
        advance=lambda _: None,
    )


def train(snapshot, folder, *, name, compute, group=None):
    """Train a model, and leave its checkpoint in the folder; return the vectors and the losses of epochs."""
    losses = []
    training = prepared(
        snapshot,
        folder / f"{name} by {compute}",
        name=name,
        compute=compute,
        group=group,
        observe=lambda report: losses.extend(t.loss for t in (report.epoch, report.held_out) if t),
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

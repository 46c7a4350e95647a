"""Trains by tiles in the processes of torchrun, as on GPUs, but in Triton's interpreter: SNAPSHOT FOLDER."""

import sys
from pathlib import Path

import numpy as np

from embtrain.checkpoint import Checkpoint, Position
from embtrain.config import SgnsSettings, TrainSettings
from embtrain.data.sequences import SequenceTable
from embtrain.data.vocabulary import Vocabulary
from embtrain.distributed import process_group
from embtrain.manifest import Snapshot
from embtrain.models.build import on_device
from embtrain.models.gpu.word2vec import DeviceWord2Vec
from embtrain.train import Training

MERGE_WORDS = 40
"""Of some 160 of each row group."""


def main(snapshot, folder):
    """Train skip-gram; each process writes its vectors, how often it has merged, and the loss of each epoch."""
    with process_group() as group:
        vocabulary = Vocabulary.read(Snapshot.open(snapshot))
        settings = SgnsSettings(dim=8, window=2, learning_rate=0.1)
        model = DeviceWord2Vec(settings, vocabulary, seed=1, device="cpu")
        merge = model.merger(group, MERGE_WORDS)
        merged, losses = [], []

        def counted(items, *, settle):
            merged.append(settle)
            merge(items, settle=settle)

        Training(
            model=model,
            source=on_device(SequenceTable(Snapshot.open(snapshot), len(vocabulary)), model),
            held_out=None,
            settings=TrainSettings(epochs=3),
            learning_rate=settings.learning_rate,
            group=group,
            checkpoint=Checkpoint(folder / "checkpoint", {}),
            observe=lambda report: losses.append(report.epoch.loss_per_pair) if report.epoch else None,
            advance=lambda _: None,
            merge=counted,
            merge_words=MERGE_WORDS,
        ).run(Position())
        np.savez(folder / f"{group.rank}.npz", vectors=model.vectors(), merges=merged.count(False), losses=losses)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

"""ELMo's training against the same biLM of torch's modules with a softmax over all words: words/s and perplexity.

Both read the same rows of text, with the same sizes, optimiser and batches, on two threads. Quality is the probability
that each gives a held-out word on the average, exactly: 100 / perplexity, forward and backward.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

import harness
import numpy as np

CORPUS = "corpora/enwiki-docs.txt.gz"
FOLDER = harness.WORK / "elmo"
WORDS, HELD_OUT_WORDS, THREADS = 200_000, 20_000, 2
PUBLISHED: dict[str, Any] = {
    "filters": [[1, 32], [2, 32], [3, 64], [4, 128], [5, 256], [6, 512], [7, 1024]],
    "highways": 2,
    "projection_dim": 512,
    "cell_dim": 4096,
    "num_samples": 8192,
    "batch_size": 128,
}


@dataclass(frozen=True)
class Entry:
    """What one side did: words a second, and perplexity in each direction."""

    words_per_second: float
    forward: float
    backward: float

    @property
    def quality(self) -> dict[str, float]:
        """Return how probable a held-out word is, in points of 100."""
        return {"forward": 100 / self.forward, "backward": 100 / self.backward}


def main() -> None:
    """Train with both, in turn, and print every figure and the result."""
    options = harness.arguments(str(__doc__).splitlines()[0], rounds=1, large="the published size, on a GPU")
    sizes = PUBLISHED if options.large else {}
    snapshot = harness.in_fresh_process(prepare)
    entries: dict[str, list[Entry]] = {"torch": [], "embtrain": []}
    for seed in range(1, options.rounds + 1):
        for side, train in (("torch", train_plain), ("embtrain", train_embtrain)):
            entry = harness.in_fresh_process(train, snapshot, sizes, seed)
            entries[side].append(entry)
            harness.say(f"round {seed}  {side:9s} {describe(entry)}", quiet=options.json)
    ours, peer = (
        statistics.median(entry.words_per_second for entry in entries[side]) for side in ("embtrain", "torch")
    )
    quality = {
        name: {way: statistics.mean(entry.quality[way] for entry in entries[side]) for way in ("forward", "backward")}
        for name, side in (("ours", "embtrain"), ("peer", "torch"))
    }
    peer_name = f"torch.nn modules, all words scored, {'bfloat16, GPU' if options.large else f'{THREADS} threads'}"
    harness.finish(harness.Result("elmo", "words/s", ours, peer, peer_name, ours / peer, quality))


def describe(entry: Entry) -> str:
    """Spell the measures of a run."""
    perplexity = f"perplexity {entry.forward:.1f} forward, {entry.backward:.1f} backward"
    return f"{entry.words_per_second:8,.0f} words/s  {perplexity}"


def prepare() -> str:
    """Return a snapshot of the corpus; Spark makes it the first time."""
    from embtrain.config import CorpusSettings, Settings
    from pipelines.prepare import prepare as prepare_snapshot
    from pipelines.session import spark_session

    settings = Settings(
        name="elmo",
        snapshot=str(FOLDER / "snapshot"),
        corpus=CorpusSettings(paths=[str(harness.data_file(CORPUS))], format="paragraphs", held_out=0.01),
        tables=["characters"],
    )
    with spark_session(settings.spark, app="benchmark") as spark:
        prepare_snapshot(spark, settings)
    return settings.snapshot_location


@dataclass(frozen=True)
class Text:
    """Rows of text to train on, rows that are held out, and the characters of the words."""

    settings: Any
    train: Any
    held_out: Any
    characters: Any

    @classmethod
    def read(cls, snapshot: str, sizes: dict[str, Any], seed: int) -> Text:
        """Read the first words of both tables."""
        from embtrain.config import ElmoSettings
        from embtrain.data.characters import read_characters
        from embtrain.data.sequences import Block, SequenceTable
        from embtrain.data.streams import StreamTable
        from embtrain.data.vocabulary import Vocabulary
        from embtrain.distributed import Group
        from embtrain.manifest import Snapshot
        from embtrain.schema import HELD_OUT, SEQUENCES

        opened = Snapshot.open(snapshot)
        vocab_size = len(Vocabulary.read(opened))
        settings = ElmoSettings.model_validate(sizes)
        laid_out = []
        for table, words in ((SEQUENCES, WORDS), (HELD_OUT, HELD_OUT_WORDS)):
            sequences = SequenceTable(opened, vocab_size, table)
            block = sequences.read(sequences.row_groups[0])
            sentences = int(np.searchsorted(block.offsets, words))
            offsets = block.offsets[: sentences + 1].copy()
            few = Block(block.ids[: offsets[-1]].copy(), offsets)
            laid_out.append(StreamTable(sequences, Group(), settings.batch_size).laid_out(few, 0, seed))
        return cls(settings, *laid_out, read_characters(opened, vocab_size))


def train_embtrain(snapshot: str, sizes: dict[str, Any], seed: int) -> Entry:
    """Train here."""
    from embtrain.distributed import Group
    from embtrain.models.elmo.training import Elmo

    text = Text.read(snapshot, sizes, seed)
    device = "cuda" if sizes else "cpu"
    model = Elmo(text.settings, text.characters, group=Group(), threads=THREADS, seed=seed, device=device)
    started = time.perf_counter()
    words = sum(tally.items for tally in model.train(text.train, lambda _: text.settings.learning_rate, seed))
    seconds = time.perf_counter() - started
    measures = model.loss(text.held_out, seed=0).measures
    return Entry(words / seconds, measures["perplexity_forward"], measures["perplexity_backward"])


def train_plain(snapshot: str, sizes: dict[str, Any], seed: int) -> Entry:
    """Train the peer."""
    import torch
    from plain_elmo import PlainBiLM
    from torch.nn import functional

    from embtrain.data.streams import NUM_MARKS
    from embtrain.text.characters import BEGIN_SENTENCE, END_SENTENCE, sentence_mark

    torch.manual_seed(seed)
    torch.set_num_threads(THREADS)
    text = Text.read(snapshot, sizes, seed)
    settings, device = text.settings, torch.device("cuda" if sizes else "cpu")
    marks = [sentence_mark(END_SENTENCE), sentence_mark(BEGIN_SENTENCE)]
    model = PlainBiLM(settings, torch.from_numpy(np.concatenate([marks, text.characters])).long()).to(device)
    optimizer = torch.optim.Adagrad(model.parameters(), settings.learning_rate, initial_accumulator_value=1.0)
    half = torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")

    def batches(streams: Any, *, train: bool) -> torch.Tensor:
        states: list[Any] = [None] * 2 * settings.layers
        losses = torch.zeros(2, device=device)
        for first in range(0, streams.steps, settings.unroll_steps):
            steps = slice(first, first + settings.unroll_steps)
            inputs, targets = (
                torch.from_numpy(part[:, steps].astype(np.int64)).to(device)
                for part in (streams.inputs, streams.targets)
            )
            with half:
                scores, states = model(inputs, states)
                loss = [
                    functional.cross_entropy(own.flatten(0, 1), wanted.flatten(), ignore_index=-1, reduction="sum")
                    for own, wanted in zip(scores, targets, strict=True)
                ]
            losses += torch.stack(loss).detach()
            if train:
                optimizer.zero_grad()
                (sum(loss) / (2 * settings.batch_size)).backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), settings.max_gradient_norm)
                optimizer.step()
        return losses

    started = time.perf_counter()
    batches(text.train, train=True).sum().item()
    seconds = time.perf_counter() - started
    model.eval()
    with torch.no_grad():
        losses = batches(text.held_out, train=False).double() / int((text.held_out.targets[0] >= 0).sum())
    forward, backward = losses.exp().tolist()
    return Entry(int((text.train.targets[0] >= NUM_MARKS).sum()) / seconds, forward, backward)


if __name__ == "__main__":
    main()

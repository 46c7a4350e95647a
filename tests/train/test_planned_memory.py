"""What training takes, measured in processes of their own, beside what was planned; and real limits that refuse it."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import pytest

from corpora import counted_topics, with_subwords, zipf_text
from embtrain.config import Settings
from embtrain.manifest import Snapshot
from embtrain.planning.memory import LIBRARIES, estimate_memory
from embtrain.planning.sizes import sizes_of

VOCAB_SIZE, WORDS, CELLS = 100_000, 1_500_000, 9_000_000


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """Return the folder of a snapshot of some size, with all tables."""
    folder = tmp_path_factory.mktemp("text")
    with_subwords(zipf_text(folder, vocab_size=VOCAB_SIZE, words=WORDS, cells=CELLS), max_n=6, buckets=300_000)
    return folder


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """Return the folder of a snapshot on which kernels are compiled, and memory pools filled."""
    folder = tmp_path_factory.mktemp("toy")
    with_subwords(counted_topics(folder))
    return folder


@pytest.mark.parametrize(
    ("model", "parallel"),
    [
        ("sgns", "data"),
        ("cbow", "data"),
        ("fasttext", "data"),
        ("glove", "data"),
        ("glove", "columns"),
        ("fasttext", "columns"),
    ],
)
def test_training_takes_what_was_planned_within_15_percent(model, parallel, text, toy, tmp_path):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        taken = pool.submit(memory_of_training, model, parallel, str(text), str(toy), str(tmp_path)).result()
    run = settings(model, parallel, text, tmp_path)
    planned = estimate_memory(run, sizes_of(Snapshot.open(run.snapshot_location), run))
    assert planned.before_registering - LIBRARIES == pytest.approx(taken, rel=0.15)


def settings(model, parallel, snapshot, folder):
    checkpoint = str(folder / "checkpoint")
    train = {"epochs": 1, "threads": 2, "device": "cpu", "parallel": parallel, "checkpoint": checkpoint}
    return Settings(name="test", snapshot=str(snapshot), model={"type": model}, train=train)


def memory_of_training(model, parallel, text, toy, folder):
    """Return the bytes that a training takes at most, files that are mapped left out; once libraries are loaded."""
    train(settings(model, parallel, toy, Path(folder)))
    with private_growth() as most:
        train(settings(model, parallel, text, Path(folder)))
        return most()


def train(run):
    from embtrain.checkpoint import Checkpoint, Position
    from embtrain.column_checkpoint import ColumnCheckpoint
    from embtrain.data.corpus import Corpus
    from embtrain.data.vocabulary import Vocabulary
    from embtrain.distributed import Group
    from embtrain.models.build import build_model, columns_for
    from embtrain.train import Training

    snapshot, group = Snapshot.open(run.snapshot_location), Group()
    vocabulary = Vocabulary.read(snapshot)
    corpus = Corpus.open(run, snapshot, len(vocabulary), group)
    columns = columns_for(run.model, group) if run.train.parallel == "columns" else None
    model = build_model(run.model, vocabulary, threads=2, seed=1, subwords=corpus.subwords, columns=columns)
    folder = Path(run.checkpoint_location)
    Training(
        model=model,
        source=corpus.source,
        held_out=corpus.held_out,
        settings=run.train,
        learning_rate=run.model.learning_rate,
        group=group,
        merge=model.merger(group, 1),
        checkpoint=ColumnCheckpoint(folder, {}, columns) if columns else Checkpoint(folder, {}),
        observe=lambda _: None,
        advance=lambda _: None,
    ).run(Position())


@contextmanager
def private_growth():
    """Yield a function that tells by how many bytes this process's own memory has grown at most."""
    import psutil

    process = psutil.Process()

    def private():
        memory = process.memory_info()
        return memory.rss - memory.shared

    before, most, done = private(), [0], threading.Event()

    def watch():
        while not done.is_set():
            most[0] = max(most[0], private() - before)
            time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield lambda: max(most[0], private() - before)
    finally:
        done.set()
        watcher.join()


def under_ulimit(gigabytes, *arguments):
    """Run the command line with so much address space."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({gigabytes << 30},) * 2)"
    code = f"{limit}; from embtrain.cli import main; raise SystemExit(main())"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ulimit -v is of Linux")
def test_a_training_beyond_a_real_limit_is_refused_before_it_begins(text, tmp_path):
    conf = tmp_path / "run.yaml"
    conf.write_text(f"name: run\nsnapshot: {text}\nmodel: {{dim: 4096}}\ntrain: {{device: cpu}}\n", encoding="utf-8")
    found = under_ulimit(4, "train", "--conf", str(conf), f"train.checkpoint={tmp_path}/checkpoint")
    assert found.returncode == 2
    assert found.stdout == ""
    (sentence,) = found.stderr.splitlines()
    assert sentence.startswith("embtrain: training sgns needs 5.0 GB of memory (1.6 GB for input rows), but ")
    assert "are left of the limit by ulimit -v; lower model.dim" in sentence
    assert sentence.endswith("; if the estimate is too high, set train.check_memory=false")
    assert not (tmp_path / "checkpoint").exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ulimit -v is of Linux")
def test_a_training_beyond_the_limit_begins_if_the_user_says_so(text):
    code = f"""
import logging, resource
resource.setrlimit(resource.RLIMIT_AS, (4 << 30,) * 2)
from embtrain.config import Settings
from embtrain.distributed import Group
from embtrain.manifest import Snapshot
from embtrain.planning.refusal import require_room
logging.basicConfig()
model, train = dict(dim=4096), dict(device="cpu", check_memory=False)
require_room(Settings(name="run", model=model, train=train), Snapshot.open({str(text)!r}), Group())
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "training begins although memory is short by the estimate: training sgns needs 5.0 GB" in found.stderr

"""Bytes on the wire as planned, beside those that are really handed to the processes' sums."""

import numpy as np
import pytest
import torch

from corpora import counted_topics
from embtrain.columns import Columns
from embtrain.config import Settings
from embtrain.data import tiles
from embtrain.data.sequences import Block
from embtrain.data.subwords import SubwordTable
from embtrain.data.vocabulary import Vocabulary
from embtrain.distributed import Group
from embtrain.models.build import build_model
from embtrain.planning import wire
from embtrain.planning.elmo import num_gradients
from embtrain.planning.sizes import Occurrence, Sizes, assumed_occurrence
from embtrain.planning.wire import estimate_traffic, rows_per_merge, scores_per_window
from embtrain.replicas import LONGEST_WAIT, Replicas

FASTTEXT_CBOW = {"type": "fasttext", "architecture": "cbow"}

SIZES = Sizes(vocabulary=200, words=64_000, sequences=6_400, row_groups=10, largest_row_group=6_400)


class CountingGroup(Group):
    """One of two processes, whose sums go nowhere and are counted."""

    sent = 0

    def sum(self, values):
        CountingGroup.sent += values.nbytes
        return values

    def begin_sum(self, tensor):
        self.sum(tensor)
        return lambda: None


def zipf_occurrence(size):
    share = 1 / np.arange(1, size + 1)
    return Occurrence(share / share.sum(), np.ones(size, np.int64))


def run(**sections):
    return Settings(name="test", **sections)


def of(traffic, beginning):
    return next(found for found in traffic if found.name.startswith(beginning))


def test_merges_send_as_many_bytes_as_were_planned():
    occurrence, words = zipf_occurrence(200), 1000
    settings = run(model={"dim": 20}, train={"merge_words": words})
    planned = estimate_traffic(settings, SIZES, occurrence, processes=2, threads=1)
    matrices = [(torch.zeros(200, 32), occurrence.of_row) for _ in range(2)]
    replicas = Replicas(CountingGroup(0, 2), matrices, words)
    CountingGroup.sent = 0
    for _ in range(LONGEST_WAIT):
        replicas([words, words], settle=False)
    assert CountingGroup.sent == pytest.approx(LONGEST_WAIT * of(planned, "changes of rows").message)
    CountingGroup.sent = 0
    replicas([words, words], settle=True)
    assert CountingGroup.sent == of(planned, "changes of all rows").message == 2 * 200 * 32 * 2


def test_an_epoch_has_a_merge_for_each_words_of_each_process():
    settings = run(train={"merge_words": 1000})
    (merges, settling) = estimate_traffic(settings, SIZES, zipf_occurrence(200), processes=2, threads=1)
    assert merges.per_epoch == 64_000 / 2 / 1000
    assert settling.per_epoch == 1


def test_rows_of_frequent_words_take_part_in_every_merge_and_those_of_rare_ones_in_few():
    assert rows_per_merge(Occurrence(np.array([0.5]), np.array([1])), words=1000) == 1
    assert rows_per_merge(Occurrence(np.array([1e-9]), np.array([640])), words=1000) == 640 / LONGEST_WAIT


def test_classes_of_zipf_s_law_merge_as_the_single_words_would():
    classes = assumed_occurrence(run(unigram={"subsample_threshold": 0}), 50_000)
    words = zipf_occurrence(50_000)
    assert rows_per_merge(classes, 100_000) == pytest.approx(rows_per_merge(words, 100_000), rel=0.02)


@pytest.mark.parametrize("model", [{"type": "sgns"}, {"type": "cbow"}, {"type": "fasttext"}, FASTTEXT_CBOW])
def test_columns_send_about_as_many_scores_as_are_planned(model):
    settings = run(model=model, train={"parallel": "columns"})
    offsets = np.arange(0, 40_001, 1000)
    ids = np.random.default_rng(0).integers(0, 5000, offsets[-1]).astype(np.int32)
    vocabulary = Vocabulary([""] * 5000, np.ones(5000, np.int64), np.ones(5000), np.full(5000, 1 / 5000))
    columns = Columns.of(100, CountingGroup(0, 2))
    without = SubwordTable(np.zeros(5001, np.int64), np.empty(0, np.int32), {"min_n": 3, "max_n": 6, "buckets": 1})
    trained = build_model(
        settings.model, vocabulary, threads=1, seed=1, device="cpu", subwords=without, columns=columns
    )
    CountingGroup.sent = 0
    trained.loss(Block(ids, offsets), 1)
    assert CountingGroup.sent / 4 / ids.size == pytest.approx(scores_per_window(settings.model), rel=0.05)


def test_columns_of_glove_send_a_score_for_each_cell(tmp_path):
    settings = run(model={"type": "glove", "dim": 14}, train={"parallel": "columns"})
    vocabulary = Vocabulary([""] * 24, np.ones(24, np.int64), np.ones(24), np.full(24, 1 / 24))
    columns = Columns.of(16, CountingGroup(0, 2))
    trained = build_model(settings.model, vocabulary, threads=1, seed=1, device="cpu", columns=columns)
    source = tiles.TiledCells(counted_topics(tmp_path), 24, tmp_path, seed=1, group=Group())
    CountingGroup.sent = 0
    for block in source.blocks(source.order(epoch=0, seed=1)):
        trained.loss(block, 1)
    sizes = Sizes(24, 1000, 100, 1, 1000, cells=source.size)
    (scores,) = estimate_traffic(settings, sizes, zipf_occurrence(24), processes=2, threads=1)
    assert scores.bytes_per_epoch == CountingGroup.sent
    assert scores.message == 4 * 24, "as many cells as words"


@pytest.mark.parametrize(("device", "times"), [("cpu", 7), ("cuda", 1.75)])
def test_scores_go_straight_to_the_others_on_cpus_and_round_a_ring_on_gpus(device, times):
    settings = run(train={"parallel": "columns"})
    (scores,) = estimate_traffic(settings, SIZES, zipf_occurrence(200), processes=8, threads=1, device=device)
    assert scores.bytes_per_epoch == pytest.approx(times * scores.message * scores.per_epoch)


def test_large_messages_of_many_processes_go_round_a_ring():
    large = Sizes(vocabulary=1_000_000, words=10**9, sequences=10**6, row_groups=1000, largest_row_group=10**6)
    (_, settling) = estimate_traffic(run(), large, zipf_occurrence(1_000_000), processes=8, threads=1)
    assert settling.times == 1.75


def test_cells_that_are_not_there_are_not_sent():
    settings = run(model={"type": "glove"}, train={"parallel": "columns"})
    (scores,) = estimate_traffic(settings, SIZES, zipf_occurrence(200), processes=2, threads=1)
    assert scores.bytes_per_epoch == 0


def test_one_process_sends_nothing():
    assert estimate_traffic(run(), SIZES, zipf_occurrence(200), processes=1, threads=2) == []


def test_elmo_sends_the_gradients_of_each_step():
    settings = run(model={"type": "elmo", "batch_size": 4, "unroll_steps": 10})
    (gradients,) = estimate_traffic(settings, SIZES, zipf_occurrence(200), processes=2, threads=1)
    assert gradients.message == 4 * num_gradients(settings.model, 200)
    assert gradients.per_epoch == (64_000 + 6_400) / (4 * 10 * 2)


@pytest.mark.parametrize("processes", range(2, 10))
@pytest.mark.parametrize("piece_cells", [1 << 24, 72])
def test_glove_exchanges_rows_after_as_many_rounds_as_are_planned(tmp_path, monkeypatch, processes, piece_cells):
    for module in (tiles, wire):
        monkeypatch.setattr(module, "PIECE_CELLS", piece_cells)
    source = tiles.TiledCells(counted_topics(tmp_path), 24, tmp_path, seed=1, group=Group(0, processes))
    trained = source.rounds(source.order(epoch=0, seed=1), processes)
    assert len(trained) == wire.rounds(source.size, processes)


def test_glove_sends_rows_with_their_sums():
    settings = run(model={"type": "glove", "dim": 14})
    (rows,) = estimate_traffic(settings, SIZES, zipf_occurrence(200), processes=2, threads=1)
    assert rows.message == 2 * 200 * 2 * 16 * 4

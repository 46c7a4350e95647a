"""Copies of several processes: whose rows are merged when, by how much, and that all end up the same."""

import numpy as np
import pytest
import torch

import reference
from embtrain.distributed import Group
from embtrain.kernels.merging import add_changes, take_changes
from embtrain.replicas import (
    LONGEST_WAIT,
    MOST_GAIN,
    Changes,
    Replicas,
    add,
    add_by_torch,
    merge_share,
    take,
    take_by_torch,
    turns,
)

ALIKE = 0.004
"""What bfloat16 keeps of a number, relative to it."""


class Companions:
    """Processes of which the others have always changed the same; it is there when it is waited for."""

    def __init__(self, *changes):
        self.world_size, self.changes = 1 + len(changes), changes

    def begin_sum(self, tensor):
        def wait():
            for change in self.changes:
                tensor.add_(change.reshape(-1).to(tensor.dtype))

        return wait


def replicas_of(group, rows, *, occurrence=0.0, words=100):
    return Replicas(group, [(rows, np.full(len(rows), occurrence))], words)


def bfloat16(array):
    return torch.from_numpy(array).bfloat16().view(torch.uint16).numpy()


def share_of(occurrences, num_processes):
    """The share of a row whose word occurs so often in each process between two merges."""
    words = 100.0
    (share,) = merge_share(np.array([occurrences / words]), np.array([words]), num_processes * words, num_processes)
    return share


def test_changes_of_rare_rows_are_added_up_and_those_of_frequent_rows_averaged():
    assert share_of(0, 2) == 1
    assert 0.5 < share_of(100, 2) < 1
    assert share_of(1e9, 2) == pytest.approx(0.5)
    assert share_of(1e9, 4) == pytest.approx(0.25)


@pytest.mark.parametrize("num_processes", [2, 4, 8, 1000])
def test_no_number_of_processes_carries_a_row_that_settles_much_further_than_one_of_them(num_processes):
    gain = [num_processes * share_of(occurrences, num_processes) for occurrences in (40, 41, 80, 1e9)]
    assert gain[0] == pytest.approx(MOST_GAIN)
    assert (np.diff(gain) < 0).all()
    assert gain[-1] == pytest.approx(1, abs=1e-3)


def test_the_change_of_a_process_that_alone_had_text_is_kept_whole():
    assert merge_share(np.array([1e12]), np.array([700.0]), np.array([700.0]), 2) == 1


def test_rows_take_part_as_often_as_their_words_occur():
    of_turn = turns(np.array([1e9, 40.0, 39.0, 10.0, 10.0, 10.0, 10.0, 10.0, 0.0]))
    assert of_turn[1, 0].tolist() == [0, 1, 2]
    assert [of_turn[4, k].tolist() for k in range(4)] == [[3, 7], [4], [5], [6]]
    assert of_turn[LONGEST_WAIT, 0].tolist() == [8]
    assert sum(rows.size for rows in of_turn.values()) == 9


def test_every_row_takes_part_in_one_of_as_many_merges_as_the_longest_wait():
    of_turn = turns(np.geomspace(1e-3, 1e3, 1000))
    seen = [rows for m in range(LONGEST_WAIT) for (n, k), rows in of_turn.items() if m % n == k]
    assert np.unique(np.concatenate(seen)).size == 1000


@pytest.mark.parametrize("shape", [(1, 1), (7, 16), (50, 112)])
def test_the_kernels_do_what_their_twins_do(shape):
    random = np.random.default_rng(1)
    rows, agreed = random.normal(size=(2, *shape)).astype(np.float32)
    which = random.permutation(shape[0])[: max(1, shape[0] // 2)]
    share = random.random(which.size).astype(np.float32)
    sent = np.empty((which.size, shape[1]), np.uint16)
    take_changes(rows, agreed, which, sent)
    np.testing.assert_array_equal(sent, bfloat16(rows[which] - agreed[which]))
    total = bfloat16(random.normal(size=sent.shape).astype(np.float32))
    twins = rows.copy(), agreed.copy()
    reference.add_changes(*twins, which, share, sent, total)
    add_changes(rows, agreed, which, share, sent, total)
    np.testing.assert_allclose(rows, twins[0], atol=1e-6)
    np.testing.assert_allclose(agreed, twins[1], atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (7, 16), (50, 112)])
def test_what_torch_does_on_any_device_is_what_the_kernels_do(shape):
    generator = torch.Generator().manual_seed(1)
    rows, agreed = torch.randn(2, *shape, generator=generator)
    which = torch.randperm(shape[0], generator=generator)[: max(1, shape[0] // 2)].numpy()
    sent = take_by_torch(rows, agreed, which)
    assert torch.equal(sent, take(rows, agreed, which))
    total, share = torch.randn(sent.shape, generator=generator).bfloat16(), np.linspace(0, 1, which.size, dtype="f4")
    by_torch, by_kernel = (rows.clone(), agreed.clone()), (rows.clone(), agreed.clone())
    for matrices, by in ((by_torch, add_by_torch), (by_kernel, add)):
        by(*matrices, Changes(which, share, sent, total))
    torch.testing.assert_close(by_torch, by_kernel, rtol=0, atol=1e-6)


def test_what_is_sent_arrives_with_the_next_part_beside_what_was_learnt_meanwhile():
    rows = torch.zeros(1, 16)
    merge = replicas_of(Companions(torch.full((1, 16), 2.0)), rows, occurrence=1e6)
    rows += 1
    merge([100, 100], settle=False)
    assert (rows == 1).all(), "it is on its way"
    rows += 0.5
    merge([50, 50], settle=False)
    # Half of 1 + 2 by two processes, and what this one has learnt since it sent.
    torch.testing.assert_close(rows, torch.full((1, 16), 2.0), rtol=ALIKE, atol=0)


def test_what_rounding_loses_is_sent_the_next_time():
    rows = torch.zeros(1, 16)
    merge = replicas_of(Companions(torch.zeros(1)), rows, occurrence=1e6)
    for _ in range(100):
        rows += 1.001  # 1 as bfloat16
        merge([100, 0], settle=False)  # alone with text, so that all of its change is kept
    merge([0, 0], settle=True)
    torch.testing.assert_close(rows, torch.full((1, 16), 100.1), rtol=1e-4, atol=0)


def test_between_two_merges_nothing_is_sent():
    rows = torch.zeros(1, 16)
    merge = replicas_of(Companions(torch.ones(1, 16)), rows, words=1000)
    for _ in range(6):
        merge([100, 100], settle=False)
    assert (rows == 0).all()


def test_to_settle_an_eighth_of_the_rows_goes_at_a_time():
    sent = []

    class Watching(Companions):
        def begin_sum(self, tensor):
            sent.append(len(tensor))
            return super().begin_sum(tensor)

    rows = torch.zeros(1000, 16)
    occurrence = 1 / np.arange(1, 1001)  # of which most wait longest
    merge = Replicas(Watching(torch.zeros(1)), [(rows, occurrence)], words=100)
    merge([100, 100], settle=True)
    assert len(sent) == 8
    assert sum(sent) == 1000 * 16
    assert max(sent) < 1.1 * 1000 * 16 / 8


@pytest.mark.parametrize("num_rows", [1, 3, 500])
def test_a_settled_copy_is_what_all_have_agreed_on(num_rows):
    rows = torch.zeros(num_rows, 16)
    merge = replicas_of(Group(0, 2), rows)  # with a companion that changes nothing
    rows += torch.randn(rows.shape, generator=torch.Generator().manual_seed(1))
    before = rows.clone()
    merge([100, 100], settle=False)
    merge([50, 50], settle=True)
    torch.testing.assert_close(rows, before, rtol=ALIKE, atol=0)
    settled = rows.clone()
    merge([0, 0], settle=True)
    assert torch.equal(rows, settled)

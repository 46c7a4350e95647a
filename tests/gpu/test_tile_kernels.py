"""The kernels for GPUs against their twins, on odd sizes and on what they leave alone."""

import math

import numpy as np
import pytest
import torch

import reference_gpu
from embtrain.data.sequences import Block
from embtrain.kernels.gpu.cbow import train_cbow_tiles
from embtrain.kernels.gpu.skipgram import train_skipgram_tiles
from embtrain.kernels.sampling import fill_alias_table
from embtrain.models.gpu.blocks import DeviceBlock
from embtrain.models.gpu.tiled import COMPILED_FOR, numbers_at_a_time, power_of_two_from
from embtrain.models.gpu.windows import subsample

KERNELS = ("skipgram", "cbow corrected", "cbow word2vec")
SEED = 2**40 + 7
ATOL = 2e-5 if not torch.cuda.is_available() else 2e-3  # tensor cores cut factors off after ten bits


def alias_table(probability):
    alias = np.empty(len(probability), np.uint64)
    fill_alias_table(np.array(probability, np.float64), alias)
    return alias


def text(random, vocab, lengths):
    offsets = np.cumsum([0, *lengths]).astype(np.int64)
    return Block(random.integers(0, vocab, offsets[-1]).astype(np.int32), offsets)


def padded_rows(random, vocab, dim):
    rows = np.zeros((vocab, -(-dim // 16) * 16), np.float32)
    rows[:, :dim] = random.normal(size=(vocab, dim)) * 0.4
    return rows


def run_kernel(
    name,
    device,
    matrices,
    loads,
    drawn,
    span,
    alias,
    *,
    window,
    dynamic,
    rate,
    weight,
    negatives,
    programs,
    trains=True,
):
    """Run a kernel on one span; return both matrices, pairs and loss."""
    rows = [torch.tensor(matrix, device=device) for matrix in matrices]
    pairs = torch.zeros(programs, dtype=torch.int64, device=device)
    losses = torch.zeros(programs, dtype=torch.float64, device=device)
    contexts, stride = power_of_two_from(16 + 2 * window), rows[0].shape[1]
    constants = {
        "WINDOW": window, "DYNAMIC": dynamic, "STRIDE": stride, "CENTERS": 16, "CONTEXTS": contexts,
        "NEGATIVES": negatives, "CHUNK": numbers_at_a_time(stride, contexts), "TRAINS": trains, **COMPILED_FOR,
    }  # fmt: skip
    kernel = train_skipgram_tiles
    if name != "skipgram":
        kernel, constants = train_cbow_tiles, {**constants, "DIVIDES": name == "cbow corrected"}
    kernel[(programs,)](
        *rows, *(torch.tensor(load, device=device) for load in loads), *drawn, *span, drawn.before.numel() - 1,
        torch.tensor(alias.view(np.int64), device=device), len(alias), SEED, rate, weight, pairs, losses, **constants,
    )  # fmt: skip
    return *(matrix.cpu().numpy() for matrix in rows), int(pairs.sum()), float(losses.sum())


def run_both(
    name, device, *, vocab=23, dim=17, window=3, dynamic=True, lengths=(31, 0, 1, 2, 17), rate=0.05, **options
):
    """Run a kernel and its twin on the same text; return both matrices, pairs and loss of each."""
    random = np.random.default_rng(3)
    block, threshold = text(random, vocab, lengths), random.integers(2**31, 2**32, vocab)
    alias = alias_table(random.dirichlet(np.ones(vocab)))
    matrices = [padded_rows(random, vocab, dim) for _ in range(2)]
    loads = [random.uniform(0, 8, vocab).astype(np.float32) for _ in range(2)]
    span = options.pop("span", (0, block.ids.size))
    options = {"negatives": 16, "programs": 1, **options}
    drawn = subsample(DeviceBlock.of(block, device), torch.tensor(threshold, device=device), SEED)
    fast = run_kernel(
        name, device, matrices, loads, drawn, span, alias,
        window=window, dynamic=dynamic, rate=rate, weight=5 / options["negatives"], **options,
    )  # fmt: skip
    kept = reference_gpu.keep(block.ids, block.offsets, threshold, SEED)
    options.pop("trains", None)
    tiles = reference_gpu.tiles(kept, span, alias, window, dynamic, SEED, centers=16, **options)
    slow = [matrix.astype(np.float64) for matrix in matrices]
    arguments = (*slow, loads, kept[0], tiles, rate, 5 / options["negatives"])
    if name == "skipgram":
        return fast, (*slow, *reference_gpu.train_skipgram(*arguments))
    return fast, (*slow, *reference_gpu.train_cbow(*arguments, divides=name == "cbow corrected"))


def assert_same(fast, slow):
    np.testing.assert_allclose(fast[0], slow[0], atol=ATOL)
    np.testing.assert_allclose(fast[1], slow[1], atol=ATOL)
    assert fast[2] == slow[2]
    assert fast[3] == pytest.approx(slow[3], rel=1e-5 if ATOL < 1e-3 else 2e-3)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize(
    ("dim", "window", "dynamic"), [(1, 1, True), (17, 3, False), (100, 5, True), (300, 2, True), (20, 9, True)]
)
def test_tiles_do_what_their_twins_do(name, device, dim, window, dynamic):
    assert_same(*run_both(name, device, dim=dim, window=window, dynamic=dynamic))


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("lengths", [(1,), (2,), (1, 1, 1), (3, 200), (0, 16, 0), (5,) * 12])
def test_any_lengths_of_sequences_agree_with_the_twin(name, device, lengths):
    assert_same(*run_both(name, device, dim=3, lengths=lengths))


@pytest.mark.parametrize("name", KERNELS)
def test_a_vocabulary_of_two_words_agrees_with_the_twin(name, device):
    assert_same(*run_both(name, device, vocab=2, dim=5, rate=0.01))


@pytest.mark.parametrize("name", KERNELS)
def test_a_span_trains_its_own_centers_and_sees_the_tokens_around_it(name, device):
    assert_same(*run_both(name, device, dim=5, lengths=(60,), span=(20, 43)))


@pytest.mark.skipif(torch.cuda.is_available(), reason="on a GPU programs run at the same time, and no twin knows how")
@pytest.mark.parametrize("name", KERNELS)
def test_programs_share_the_tiles_of_a_span(name, device):
    assert_same(*run_both(name, device, dim=5, lengths=(150,), programs=3))


@pytest.mark.parametrize("name", KERNELS)
def test_programs_at_work_together_change_rows_as_one_after_the_other(name, device, programs, assert_same_changes):
    options = {"lengths": (programs * 16,), "programs": programs}
    before, _ = run_both(name, device, rate=0.0, trains=False, **options)
    fast, slow = run_both(name, device, rate=1e-4, **options)
    for side in range(2):
        assert_same_changes(before[side], fast[side], slow[side])
    assert fast[2] == slow[2]


@pytest.mark.parametrize("name", KERNELS)
def test_columns_past_the_dimension_stay_zero(name, device):
    (rows_in, rows_out, *_), _ = run_both(name, device, dim=5)
    assert not rows_in[:, 5:].any()
    assert not rows_out[:, 5:].any()


@pytest.mark.parametrize("name", KERNELS)
def test_a_loss_that_is_only_measured_changes_nothing(name, device):
    fast, slow = run_both(name, device, rate=0.0, trains=False)
    np.testing.assert_array_equal(fast[0], slow[0].astype(np.float32))
    np.testing.assert_array_equal(fast[1], slow[1].astype(np.float32))
    assert fast[3] == pytest.approx(slow[3], rel=2e-3)


@pytest.mark.parametrize("name", KERNELS)
def test_the_loss_of_rows_that_are_zero_is_ln_two_per_target(name, device):
    block = Block(np.array([0, 1] * 8, np.int32), np.array([0, 16], np.int64))
    # Negatives are never 0 or 1, the words of the text: none is left out.
    alias = alias_table([0, 0, 0.5, 0.5])
    drawn = subsample(DeviceBlock.of(block, device), torch.full((4,), 2**32 - 1, device=device), SEED)
    *_, pairs, loss = run_kernel(
        name, device, [np.zeros((4, 16), np.float32)] * 2, [np.zeros(4, np.float32)] * 2, drawn, (0, 16), alias,
        window=1, dynamic=False, rate=0.0, weight=5 / 16, negatives=16, programs=1, trains=False,
    )  # fmt: skip
    assert pairs == (30 if name == "skipgram" else 16)
    assert loss == pytest.approx(pairs * 6 * math.log(2), rel=1e-6)


def test_the_tokens_kept_are_those_of_the_twin(device):
    random = np.random.default_rng(5)
    block, threshold = text(random, 9, (1200, 0, 3)), random.integers(0, 2**32, 9)
    drawn = subsample(DeviceBlock.of(block, device), torch.tensor(threshold, device=device), SEED)
    kept, sequences, before = reference_gpu.keep(block.ids, block.offsets, threshold, SEED)
    assert drawn.before.tolist() == before
    assert drawn.ids[: len(kept)].tolist() == kept
    assert drawn.sequences[: len(kept)].tolist() == sequences


def test_philox_is_that_of_its_authors():
    # The known answers of Random123 for a counter and a key of zeros.
    assert reference_gpu.philox(0, 0, 0) == (0x6627E8D5, 0xE169C58D)

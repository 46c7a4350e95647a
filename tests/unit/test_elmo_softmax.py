"""What ELMo's predictions are made against, how its text is laid out, and how it steps: against slow twins."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import reference_elmo
from embtrain.config import ElmoArchitecture
from embtrain.data.sequences import Block
from embtrain.data.streams import NO_TARGET, lay_out
from embtrain.models.elmo.adagrad import Adagrad, take_gradients
from embtrain.models.elmo.bilm import BiLM
from embtrain.models.elmo.candidates import CandidateSampler, draw_distinct, log_expected_count
from embtrain.models.elmo.softmax import Softmax, sampled_loss

SENTENCES = st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=6), min_size=1, max_size=8)


def block_of(sentences):
    ids = np.array([token for sentence in sentences for token in sentence], np.int32)
    return Block(ids, np.cumsum([0, *map(len, sentences)]))


def by_row(streams):
    """Return the rows of a direction end to end."""
    return streams.T.ravel().tolist()


def test_a_sentence_is_read_from_its_begin_mark_and_predicted_to_its_end_mark_both_ways():
    inputs, targets = lay_out(block_of([[5, 6, 7]]), rows=2, seed=0)
    assert inputs.shape == (2, 2, 2)
    assert [by_row(inputs[0]), by_row(targets[0])] == [[1, 7, 8, 9], [7, 8, 9, 0]]
    assert [by_row(inputs[1]), by_row(targets[1])] == [[0, 9, 8, 7], [9, 8, 7, 1]]


@given(SENTENCES, st.integers(1, 5), st.integers(0, 3))
def test_streams_are_those_of_plain_loops_over_the_shuffled_sentences(sentences, rows, seed):
    inputs, targets = lay_out(block_of(sentences), rows, seed)
    shuffled = [sentences[i] for i in np.random.default_rng(seed).permutation(len(sentences))]
    for direction in range(2):
        read, predicted = reference_elmo.streams_of(shuffled, direction)
        filled = by_row(targets[direction])
        assert filled[: len(read)] == predicted
        assert by_row(inputs[direction])[: len(read)] == read
        assert set(filled[len(read) :]) <= {NO_TARGET}
        assert len(filled) - len(read) < rows


@pytest.mark.parametrize("shared", [True, False])
def test_the_sampled_loss_is_that_of_plain_loops(shared):
    torch.manual_seed(0)
    softmax = Softmax(40, 4, shared=shared).double()
    torch.nn.init.normal_(softmax.bias)
    hidden = torch.randn(2, 6, 4, dtype=torch.double)
    targets = np.array([[0, 3, 39, 7, 7, NO_TARGET], [1, 0, 5, 38, 2, 11]], np.int32)
    sampler = CandidateSampler(40, 10)
    candidates = sampler.draw(targets, (3, 4))
    rows = softmax.rows(torch.from_numpy(candidates.rows))
    places = torch.from_numpy(np.where(targets < 0, NO_TARGET, candidates.place[targets]))
    log_expected = torch.from_numpy(candidates.log_expected)
    found = sampled_loss(hidden, places, rows, candidates.size, log_expected)
    expected = dict(zip(candidates.rows.tolist(), log_expected.double().exp().tolist(), strict=True))
    losses = []
    for direction, (own, wanted) in enumerate(zip(hidden.numpy(), targets, strict=True)):
        weight, bias = (part.detach().numpy()[0 if shared else direction] for part in (softmax.weight, softmax.bias))
        kept = wanted >= 0
        sampled = candidates.rows[: candidates.size]
        losses += reference_elmo.sampled_losses(own[kept], wanted[kept], weight, bias, sampled, expected)
    assert any(word in candidates.rows[: candidates.size] for word in targets.ravel()), "one target is drawn, too"
    assert found.item() == pytest.approx(sum(losses), rel=1e-5)


def test_the_sampled_loss_against_all_words_is_the_exact_one():
    softmax = Softmax(7, 4, shared=False)
    hidden = torch.randn(2, 5, 4)
    targets = torch.tensor([[0, 1, 2, 6, NO_TARGET], [3, 3, 4, 5, 0]])
    sampler = CandidateSampler(7, 4)
    assert sampler.is_exact
    candidates = sampler.draw(targets.numpy().astype(np.int32), (0, 0))
    rows = softmax.rows(torch.from_numpy(candidates.rows))
    sampled = sampled_loss(hidden, targets, rows, candidates.size, torch.from_numpy(candidates.log_expected))
    exact = softmax.exact_loss(hidden, targets)
    assert sampled.item() == pytest.approx(exact.sum().item(), rel=1e-5)
    assert softmax.weight.grad is None, "only the rows that are needed get a gradient"


def test_a_step_asks_its_device_for_no_number(monkeypatch):
    monkeypatch.setattr("torch.is_autocast_enabled", lambda _: False)  # which knows no such device
    sizes = ElmoArchitecture(char_dim=3, filters=[(1, 2), (3, 4)], projection_dim=4, cell_dim=6)
    with torch.device("meta"):  # where tensors have no numbers to ask for; a GPU would have to be waited for
        bilm, softmax = BiLM(sizes), Softmax(40, 4, shared=True)
        words = bilm.characters(torch.ones(7, 9, dtype=torch.int64))[torch.zeros(2, 5, 3, dtype=torch.int64)]
        layers, _ = bilm(words, bilm.initial_states(3))
        rows, targets = softmax.rows(torch.arange(12)), torch.zeros(2, 15, dtype=torch.int64)
        sampled_loss(layers[-1].flatten(1, 2), targets, rows, 10, torch.zeros(12)).backward()
        gradients = take_gradients([*bilm.parameters(), *rows])
        Adagrad(bilm.parameters(), softmax).step(gradients, torch.arange(12), 0.2, 10.0)
    assert all(gradient.is_meta for gradient in gradients)


def test_all_words_are_scored_a_piece_at_a_time(monkeypatch):
    softmax, hidden = Softmax(9, 4, shared=True), torch.randn(2, 8, 4)
    targets = torch.randint(0, 9, (2, 8))
    whole = softmax.exact_loss(hidden, targets)
    monkeypatch.setattr("embtrain.models.elmo.softmax.SCORES_AT_ONCE", 20)
    torch.testing.assert_close(softmax.exact_loss(hidden, targets), whole)


def test_candidates_are_distinct_and_frequent_words_among_them_more_often():
    drawn = [draw_distinct(1000, 50, np.random.default_rng(seed)) for seed in range(400)]
    assert all(len(set(ids.tolist())) == 50 for ids, _ in drawn)
    often = np.bincount(np.concatenate([ids for ids, _ in drawn]), minlength=1000) / len(drawn)
    tries = round(np.mean([tries for _, tries in drawn]))
    expected = np.exp(log_expected_count(np.arange(1000), 1000, tries))
    assert np.abs(often - expected).max() < 0.1
    assert often[:10].mean() > often[10:100].mean() > often[100:].mean()


def test_what_is_expected_after_one_draw_is_the_log_uniform_probability():
    expected = np.exp(log_expected_count(np.arange(5), 5, 1))
    np.testing.assert_allclose(expected, [math.log((k + 2) / (k + 1)) / math.log(6) for k in range(5)], rtol=1e-6)
    assert expected.sum() == pytest.approx(1)


def test_the_same_seed_draws_the_same_candidates():
    sampler, targets = CandidateSampler(1000, 20), np.array([5, 999, NO_TARGET], np.int32)
    first, again, other = (sampler.draw(targets, seed) for seed in [(1, 2), (1, 2), (1, 3)])
    np.testing.assert_array_equal(first.rows, again.rows)
    assert set(first.rows[:20]) != set(other.rows[:20])
    assert first.rows[first.place[999]] == 999
    assert first.rows[first.place[5]] == 5


def test_adagrad_steps_as_torch_s_own_on_the_whole_matrix():
    softmax, weight = Softmax(6, 3, shared=True), torch.nn.Parameter(torch.randn(4, 2))
    copies = [torch.nn.Parameter(part.detach().clone()) for part in (weight, softmax.weight, softmax.bias)]
    ours = Adagrad([weight], softmax)
    peer = torch.optim.Adagrad(copies, lr=0.2, initial_accumulator_value=1.0, eps=0)
    for ids in ([0, 3], [3, 5, 1]):
        gradients = [3 * torch.randn(shape) for shape in [(4, 2), (1, len(ids), 3), (1, len(ids))]]
        for copy, gradient in zip(copies, gradients, strict=True):
            copy.grad = torch.zeros_like(copy)
            place = copy.grad if copy is copies[0] else copy.grad[:, ids]
            if copy is copies[0]:
                place.copy_(gradient)
            else:
                copy.grad[:, ids] = gradient
        torch.nn.utils.clip_grad_norm_(copies, 2.0)
        peer.step()
        ours.step(gradients, torch.tensor(ids), 0.2, 2.0)
    for mine, copy in zip((weight, softmax.weight, softmax.bias), copies, strict=True):
        torch.testing.assert_close(mine.detach(), copy.detach(), rtol=1e-4, atol=1e-6)

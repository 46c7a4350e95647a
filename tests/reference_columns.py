"""The slow twin of training by columns: products laid out pair by pair, scored together, then followed one by one."""

import itertools
import math
from collections import Counter

import numpy as np

from reference import Random


def windows_of(ids, offsets, keep_threshold, alias, window, dynamic_window, seed, negatives_of):
    """Yield (ids kept, context positions of each position, negatives) of every sequence with two tokens or more."""
    random = Random(seed)
    for first, last in itertools.pairwise(offsets):
        kept = [int(i) for i in ids[first:last] if random.next() >> 32 <= keep_threshold[i]]
        if len(kept) < 2:
            continue
        drawn = [random.negative(alias) for _ in range(negatives_of(len(kept)))]
        near = []
        for position in range(len(kept)):
            width = random.below(window) + 1 if dynamic_window else window
            around = range(max(0, position - width), min(len(kept), position + width + 1))
            near.append([i for i in around if i != position])
        yield kept, near, drawn


def skipgram_groups(sequences, num_negatives, tile):
    """Yield tiles: lists of (common id, [(partner id, label), …]), the windows of a tile sharing their negatives."""
    for kept, near, drawn in sequences:
        for first in range(0, len(kept), tile):
            positions = range(len(kept))[first : first + tile]
            groups = [(kept[p], [(kept[i], 1) for i in near[p]]) for p in positions]
            touched = sorted({i for p in positions for i in [p, *near[p]]})
            for negative in drawn[first // tile * num_negatives :][:num_negatives]:
                serves = Counter(i for p in positions if kept[p] != negative for i in near[p])
                groups.append((negative, [(kept[i], -serves[i]) for i in touched if serves[i]]))
            yield len(positions), groups


def cbow_groups(sequences, num_negatives, fresh):
    """Yield windows: ([context id, …], [(target id, label), …]); ``fresh`` negatives do not serve the one before."""
    for kept, near, drawn in sequences:
        for position, center in enumerate(kept):
            negatives = drawn[position * fresh :][:num_negatives]
            noise = [(negative, -1) for negative in negatives if negative != center]
            yield 1, [([kept[i] for i in near[position]], [(center, 1), *noise])]


def in_batches(tiles, batch_windows):
    """Collect the groups of tiles until they have so many windows."""
    batch, windows = [], 0
    for count, groups in tiles:
        batch += groups
        windows += count
        if windows >= batch_windows:
            yield batch
            batch, windows = [], 0
    if batch:
        yield batch


def error_of(score, label, rate):
    """Return the gradient and the loss of a product."""
    sign = 1 if label > 0 else -1
    share = 1 / (1 + math.exp(sign * score))
    return rate * label * share, abs(label) * -math.log(1 - share)


def share(weight, rate, most_rate):
    """Return which part of its steps a row takes that has so many products in its batch."""
    return most_rate / max(most_rate, rate * weight)


def in_fours(products):
    """Cut products into fours, then twos, then one."""
    rest = list(products)
    while rest:
        size = 4 if len(rest) >= 4 else 2 if len(rest) >= 2 else 1
        yield rest[:size]
        rest = rest[size:]


def pull(common, step, own_share, rows, shares, products):
    """Move rows along a common one, and ``step`` along them; ``common`` is taken anew for four, two or one of them."""
    for several in in_fours(products):
        row = common.copy()
        for i, gradient in several:
            old = rows[i].copy()
            step += own_share * gradient * old
            rows[i] = old + shares[i] * gradient * row


def shares_of(weights, rate, most_rate):
    """Return the shares of rows, by their ids."""
    return {i: share(weight, rate, most_rate) for i, weight in weights.items()}


def train_skipgram(input_rows, output_rows, batches, rate, most_rate):
    """Return the loss: all scores of a batch, then its steps one after the other."""
    return sum(
        skipgram_batch(input_rows, output_rows, batch, rate, most_rate, shares_of(weigh_inputs(batch), rate, most_rate))
        for batch in batches
    )


def weigh_inputs(batch):
    """Count the products of each input of skip-gram."""
    weights = Counter()
    for i, label in itertools.chain.from_iterable(partners for _, partners in batch):
        weights[i] += abs(label)
    return weights


def skipgram_batch(input_rows, output_rows, batch, rate, most_rate, shares):
    """Return the loss of a batch, of whose steps inputs take their shares."""
    loss, scored, of_output = 0.0, [], Counter()
    for common, partners in batch:
        scores = [float(output_rows[common] @ input_rows[i]) for i, _ in partners]
        errors = [error_of(score, label, rate) for score, (_, label) in zip(scores, partners, strict=True)]
        scored.append([(i, gradient) for (i, _), (gradient, _) in zip(partners, errors, strict=True)])
        loss += sum(cost for _, cost in errors)
        of_output[common] += sum(abs(label) for _, label in partners)
    for (common, _), products in zip(batch, scored, strict=True):
        row = output_rows[common]
        pull(row, row, share(of_output[common], rate, most_rate), input_rows, shares, products)
    return loss


def train_cbow(input_rows, output_rows, batches, rate, most_rate, *, divide_gradient):
    """Return the loss; a window's mean is of the rows as they are when its turn comes."""
    loss = 0.0
    for batch in batches:
        weights = weigh_contexts(batch)

        def part(i, contexts, weights=weights):
            own = 1 / len(contexts) if divide_gradient else 1.0
            return own * share(weights[i], rate * own, most_rate)

        loss += cbow_batch(input_rows, output_rows, batch, rate, most_rate, part)
    return loss


def weigh_contexts(batch):
    """Count the products of each input of CBOW."""
    weights = Counter()
    for contexts, targets in batch:
        for i in contexts:
            weights[i] += len(targets)
    return weights


def cbow_batch(input_rows, output_rows, batch, rate, most_rate, part, num_rows=lambda _: 1):
    """Return the loss of a batch.

    ``part`` says which part of a window's step an input takes, ``num_rows`` of how many rows it is the sum.
    """
    loss, scored, of_output = 0.0, [], Counter()

    def mean_of(contexts):
        return np.sum([input_rows[i] for i in contexts], axis=0) / sum(map(num_rows, contexts))

    for contexts, targets in batch:
        mean = mean_of(contexts)
        errors = [error_of(float(mean @ output_rows[i]), label, rate) for i, label in targets]
        scored.append([(i, gradient) for (i, _), (gradient, _) in zip(targets, errors, strict=True)])
        loss += sum(cost for _, cost in errors)
        of_output.update(i for i, _ in targets)
    shares = shares_of(of_output, rate, most_rate)
    for (contexts, _), products in zip(batch, scored, strict=True):
        mean = mean_of(contexts)
        step = np.zeros_like(mean)
        pull(mean, step, 1.0, output_rows, shares, products)
        for i in contexts:
            input_rows[i] = input_rows[i] + part(i, contexts) * step
    return loss


def train_fasttext(rows, output_rows, batches, parts, rate, most_rate, *, cbow):
    """Return the loss: a batch moves the sums or means of its words' rows, and these then each of their rows."""
    loss = 0.0
    for batch in batches:
        of_words, of_rows = (weigh_contexts if cbow else weigh_inputs)(batch), Counter()
        for word, weight in of_words.items():
            for row in parts[word]:
                of_rows[row] += weight
        own = shares_of(of_rows, rate, most_rate)
        shares = {word: np.mean([own[row] for row in parts[word]]) for word in of_words}
        words = {word: (np.sum if cbow else np.mean)(rows[parts[word]], axis=0) for word in of_words}
        before = {word: row.copy() for word, row in words.items()}
        if cbow:
            part, num_rows = (lambda i, _, shares=shares: shares[i]), (lambda i: len(parts[i]))
            loss += cbow_batch(words, output_rows, batch, rate, most_rate, part, num_rows)
        else:
            loss += skipgram_batch(words, output_rows, batch, rate, most_rate, shares)
        for word, row in words.items():
            learnt = (row - before[word]) / shares[word]
            for member in parts[word]:
                rows[member] += own[member] * learnt
    return loss


def train_at_once(input_rows, output_rows, batches, rate, most_rate, *, cbow, divide_gradient=False):
    """Return the loss: all steps of a batch from the rows as it found them. A skip-gram's head is one output row."""
    head_rows, partner_rows = (input_rows, output_rows) if cbow else (output_rows, input_rows)
    loss = 0.0
    for batch in batches:
        heads_before, partners_before = head_rows.copy(), partner_rows.copy()
        windows = [(members if cbow else [members], products) for members, products in batch]
        of_head, of_partner = Counter(), Counter()
        for members, products in windows:
            for member, (partner, label) in itertools.product(members, products):
                of_head[member] += abs(label)
                of_partner[partner] += abs(label) / len(members)
        for members, products in windows:
            mean = np.mean([heads_before[i] for i in members], axis=0)
            part = 1 / len(members) if divide_gradient else 1.0
            for partner, label in products:
                gradient, cost = error_of(float(mean @ partners_before[partner]), label, rate)
                loss += cost
                partner_rows[partner] += share(of_partner[partner], rate, most_rate) * gradient * mean
                for i in members:
                    step = part * share(of_head[i], rate * part, most_rate) * gradient
                    head_rows[i] += step * partners_before[partner]
    return loss

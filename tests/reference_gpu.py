"""The slow and obvious twin of the kernels for GPUs: plain loops over Python numbers, in float64."""

import math

import numpy as np

FOR_SUBSAMPLING, FOR_WIDTHS, FOR_NEGATIVES = range(3)
MASK = 2**32 - 1


def philox(seed, position, purpose):
    """Return the first two words of Philox 4x32-10 (Salmon et al., 2011), key and counter being 64 bits each."""
    key = [seed & MASK, seed >> 32]
    a, b, c, d = position & MASK, position >> 32 & MASK, purpose, 0
    for _ in range(10):
        first, second = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = second >> 32 ^ b ^ key[0], second & MASK, first >> 32 ^ d ^ key[1], first & MASK
        key = [key[0] + 0x9E3779B9 & MASK, key[1] + 0xBB67AE85 & MASK]
    return a, b


def below(bits, bound):
    return bits * bound >> 32


def keep(ids, offsets, keep_threshold, seed):
    """Return the ids kept, the sequence that each is of, and how many are kept before each token."""
    kept, sequences, before = [], [], [0]
    for sequence in range(len(offsets) - 1):
        for position in range(offsets[sequence], offsets[sequence + 1]):
            if philox(seed, position, FOR_SUBSAMPLING)[0] <= keep_threshold[ids[position]]:
                kept.append(int(ids[position]))
                sequences.append(sequence)
            before.append(len(kept))
    return kept, sequences, before


def negative(alias, seed, position):
    """Draw from an alias table of uint64."""
    slot_bits, share_bits = philox(seed, position, FOR_NEGATIVES)
    slot = below(slot_bits, len(alias))
    return slot if share_bits < int(alias[slot]) >> 32 else int(alias[slot]) & MASK


def tiles(drawn, span, alias, window, dynamic, seed, *, centers, negatives, programs):
    """Yield ([(center, [places of contexts])], negatives) of each tile of a span, as programs one by one take them."""
    kept, sequences, before = drawn
    first, last = before[span[0]], before[span[1]]
    for program in range(programs):
        for start in range(first + program * centers, last, programs * centers):
            windows = []
            for place in range(start, min(last, start + centers)):
                width = below(philox(seed, place, FOR_WIDTHS)[0], window) + 1 if dynamic else window
                near = range(max(0, place - width), min(len(kept), place + width + 1))
                contexts = [i for i in near if i != place and sequences[i] == sequences[place]]
                windows.append((kept[place], contexts))
            yield windows, [negative(alias, seed, start * negatives + k) for k in range(negatives)]


class Step:
    """What a tile adds to one of its rows, and how far that moves the row's scores by its own gradient."""

    def __init__(self, dim):
        self.change, self.moved = np.zeros(dim), 0.0

    def along(self, row, gradient):
        self.change += gradient * row
        self.moved += abs(gradient) * float(row @ row)


def take_steps(rows, steps, load):
    """Add steps, of (row, step), to rows: shortened where they would move too far in flight."""
    for row, step in steps:
        rows[row] += step.change / max(1, load[row] * step.moved)


def train_skipgram(input_rows, output_rows, loads, kept, tiles, learning_rate, weight):
    """Return (pairs, loss); all gradients of a tile are those of the rows as it found them."""
    pairs, loss, dim = 0, 0.0, input_rows.shape[1]
    for windows, negatives in tiles:
        of_contexts = {place: Step(dim) for _, contexts in windows for place in contexts}
        of_centers, of_negatives = ([Step(dim) for _ in slots] for slots in (windows, negatives))
        for (center, contexts), of_center in zip(windows, of_centers, strict=True):
            against = [(center, 1, 1.0, of_center)]
            against += [(k, 0, weight, step) for k, step in zip(negatives, of_negatives, strict=True) if k != center]
            for place in contexts:
                pairs += 1
                x = input_rows[kept[place]]
                for target, label, share, step in against:
                    score = float(x @ output_rows[target])
                    gradient = learning_rate * share * (label - sigmoid(score))
                    of_contexts[place].along(output_rows[target], gradient)
                    step.along(x, gradient)
                    loss += share * softplus(-score if label else score)
        take_steps(input_rows, [(kept[place], step) for place, step in of_contexts.items()], loads[0])
        centers = [center for center, _ in windows]
        targets = zip([*centers, *negatives], [*of_centers, *of_negatives], strict=True)
        take_steps(output_rows, targets, loads[1])
    return pairs, loss


def train_cbow(input_rows, output_rows, loads, kept, tiles, learning_rate, weight, *, divides):
    """Return (predictions, loss), likewise."""
    predictions, loss, dim = 0, 0.0, input_rows.shape[1]
    for windows, negatives in tiles:
        of_contexts = {place: Step(dim) for _, contexts in windows for place in contexts}
        of_centers, of_negatives = ([Step(dim) for _ in slots] for slots in (windows, negatives))
        for (center, contexts), of_center in zip(windows, of_centers, strict=True):
            if not contexts:
                continue
            predictions += 1
            mean, share_of_step = np.mean([input_rows[kept[i]] for i in contexts], axis=0), Step(dim)
            against = [(center, 1, 1.0, of_center)]
            against += [(k, 0, weight, step) for k, step in zip(negatives, of_negatives, strict=True) if k != center]
            for target, label, share, step in against:
                score = float(mean @ output_rows[target])
                gradient = learning_rate * share * (label - sigmoid(score))
                share_of_step.along(output_rows[target], gradient / len(contexts) if divides else gradient)
                step.along(mean, gradient)
                loss += share * softplus(-score if label else score)
            for place in contexts:
                of_contexts[place].change += share_of_step.change
                of_contexts[place].moved += share_of_step.moved
        take_steps(input_rows, [(kept[place], step) for place, step in of_contexts.items()], loads[0])
        centers = [center for center, _ in windows]
        targets = zip([*centers, *negatives], [*of_centers, *of_negatives], strict=True)
        take_steps(output_rows, targets, loads[1])
    return predictions, loss


def sigmoid(score):
    return 1 / (1 + math.exp(-score))


def softplus(score):
    return max(score, 0) + math.log1p(math.exp(-abs(score)))

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


def train_skipgram(input_rows, output_rows, loads, kept, tiles, learning_rate, weight):
    """Return (pairs, loss); all gradients of a tile are those of the rows as it found them."""
    pairs, loss = 0, 0.0
    for windows, negatives in tiles:
        steps_in, steps_out = np.zeros_like(input_rows), np.zeros_like(output_rows)
        for center, contexts in windows:
            against = [(center, 1, 1.0)] + [(negative, 0, weight) for negative in negatives if negative != center]
            for context in (kept[place] for place in contexts):
                pairs += 1
                for target, label, share in against:
                    score = float(input_rows[context] @ output_rows[target])
                    gradient = learning_rate * share * (label - sigmoid(score))
                    steps_in[context] += gradient * output_rows[target]
                    steps_out[target] += gradient * input_rows[context]
                    loss += share * softplus(-score if label else score)
        take_steps(input_rows, steps_in, loads[0], learning_rate)
        take_steps(output_rows, steps_out, loads[1], learning_rate)
    return pairs, loss


def train_cbow(input_rows, output_rows, loads, kept, tiles, learning_rate, weight, *, divides):
    """Return (predictions, loss), likewise."""
    predictions, loss = 0, 0.0
    for windows, negatives in tiles:
        steps_in, steps_out = np.zeros_like(input_rows), np.zeros_like(output_rows)
        for center, contexts in windows:
            if not contexts:
                continue
            predictions += 1
            mean = sum(input_rows[kept[place]] for place in contexts) / len(contexts)
            step = np.zeros_like(mean)
            against = [(center, 1, 1.0)] + [(negative, 0, weight) for negative in negatives if negative != center]
            for target, label, share in against:
                score = float(mean @ output_rows[target])
                gradient = learning_rate * share * (label - sigmoid(score))
                step += gradient * output_rows[target]
                steps_out[target] += gradient * mean
                loss += share * softplus(-score if label else score)
            for place in contexts:
                steps_in[kept[place]] += step / len(contexts) if divides else step
        take_steps(input_rows, steps_in, loads[0], learning_rate)
        take_steps(output_rows, steps_out, loads[1], learning_rate)
    return predictions, loss


def take_steps(rows, steps, load, learning_rate):
    """Add steps to rows, shortened where a row is in flight too often."""
    for row in range(len(rows)):
        rows[row] += steps[row] / max(1, learning_rate * load[row])


def sigmoid(score):
    return 1 / (1 + math.exp(-score))


def softplus(score):
    return max(score, 0) + math.log1p(math.exp(-abs(score)))

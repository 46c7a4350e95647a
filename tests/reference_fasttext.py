"""The slow and obvious twin of FastText's kernel: plain loops over Python numbers, in float64."""

import numpy as np

from reference import predict, step_with_contexts, target_blocks


class Positions:
    """The positions of one sequence whose windows are open: the sum of each one's rows, or their mean."""

    def __init__(self, rows, kept, parts, *, averaged):
        self.rows, self.kept, self.parts, self.averaged = rows, kept, parts, averaged
        self.sums, self.entered = {}, {}

    def enter(self, position):
        rows = self.rows[self.parts[self.kept[position]]]
        self.sums[position] = rows.mean(axis=0) if self.averaged else rows.sum(axis=0)
        self.entered[position] = self.sums[position].copy()

    def leave(self, position):
        parts = self.parts[self.kept[position]]
        step = self.sums.pop(position) - self.entered.pop(position)
        for row in parts:
            self.rows[row] += step if self.averaged else step / len(parts)


def train_fasttext(rows, output_rows, sequences, parts, window, learning_rate, *, cbow):
    """Return (predictions, loss) of what :func:`reference.drawn_sequences` yields; ``parts``: rows of each word."""
    predictions, loss = 0, 0.0
    for kept, windows in sequences:
        positions = Positions(rows, kept, parts, averaged=not cbow)
        for position in range(-window, len(kept) + window):
            if position + window < len(kept):
                positions.enter(position + window)
            if 0 <= position < len(kept):
                contexts, negatives = windows[position]
                blocks = target_blocks(kept[position], negatives)
                step = step_with_mean if cbow else step_with_each
                made, cost = step(positions, output_rows, contexts, blocks, learning_rate)
                predictions, loss = predictions + made, loss + cost
            if 0 <= position - window < len(kept):
                positions.leave(position - window)
    return predictions, loss


def step_with_each(positions, output_rows, contexts, blocks, learning_rate):
    """Predict from each context's mean; return how often, and the loss."""
    costs = [step_with_contexts(positions.sums, output_rows, contexts, block, learning_rate) for block in blocks]
    return len(contexts), sum(costs)


def step_with_mean(positions, output_rows, contexts, blocks, learning_rate):
    """Predict from the mean of all rows of all contexts; return how often, and the loss."""
    if not contexts:
        return 0, 0.0
    sizes = {position: len(positions.parts[positions.kept[position]]) for position in contexts}
    mean, loss = np.sum([positions.sums[position] for position in contexts], axis=0) / sum(sizes.values()), 0.0
    for block in blocks:
        (step,), cost = predict([mean], block, output_rows, learning_rate)
        loss += cost
        for position, size in sizes.items():
            positions.sums[position] = positions.sums[position] + size * step
    return 1, loss

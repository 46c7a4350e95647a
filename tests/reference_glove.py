"""The slow and obvious twin of GloVe's kernel: one cell after the other, in float64."""

import math

import numpy as np


class SlowGlove:
    """Vectors, biases and AdaGrad's sums, apart; the same cells in the same order give the same numbers."""

    def __init__(self, words, contexts, word_bias, context_bias):
        self.words, self.contexts = (np.array(rows, np.float64) for rows in (words, contexts))
        self.word_bias, self.context_bias = (np.array(bias, np.float64) for bias in (word_bias, context_bias))
        self.word_sums, self.context_sums = np.ones_like(self.words), np.ones_like(self.contexts)
        self.word_bias_sums, self.context_bias_sums = np.ones_like(self.word_bias), np.ones_like(self.context_bias)

    def train(self, cells, *, x_max, exponent, rate):
        """Train on cells ``(row, column, weight)``, one by one; return their cost."""
        return sum(self.train_batch([cell], x_max=x_max, exponent=exponent, rate=rate) for cell in cells)

    def train_batch(self, cells, *, x_max, exponent, rate, at_once=False):
        """Train on cells that are scored before any is followed; return their cost.

        Rows then move cell by cell; or ``at_once``, from the rows as they were, with all squares in the sums.
        """
        scored = [(i, j, *self.error_of(i, j, x, x_max, exponent)) for i, j, x in cells]
        if at_once:
            changes = [change for i, j, error, _ in scored for change in self.changes(i, j, error, rate)]
            for _, sums, at, change in changes:
                sums[at] += change**2
            for values, sums, at, change in changes:
                values[at] -= change / np.sqrt(sums[at])
        else:
            for i, j, error, _ in scored:
                for values, sums, at, change in self.changes(i, j, error, rate):
                    values[at] -= change / np.sqrt(sums[at])
                    sums[at] += change**2
        return sum(0.5 * error * diff for *_, error, diff in scored)

    def error_of(self, i, j, x, x_max, exponent):
        """Return f(x) diff and diff of a cell."""
        diff = self.words[i] @ self.contexts[j] + self.word_bias[i] + self.context_bias[j] - math.log(x)
        return min(1.0, (x / x_max) ** exponent) * diff, diff

    def changes(self, i, j, error, rate):
        """Return what a cell of this error would change: values, their sums, where, and the gradient times the rate."""
        gradients = (
            (self.words, self.word_sums, i, error * self.contexts[j]),
            (self.contexts, self.context_sums, j, error * self.words[i]),
            (self.word_bias, self.word_bias_sums, i, error),
            (self.context_bias, self.context_bias_sums, j, error),
        )
        return [(values, sums, at, rate * np.clip(gradient, -100, 100)) for values, sums, at, gradient in gradients]

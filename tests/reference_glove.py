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
        """Train on cells ``(row, column, weight)``; return their cost."""
        cost = 0.0
        for i, j, x in cells:
            diff = self.words[i] @ self.contexts[j] + self.word_bias[i] + self.context_bias[j] - math.log(x)
            error = min(1.0, (x / x_max) ** exponent) * diff
            cost += 0.5 * error * diff
            gradients = (
                (self.words, self.word_sums, i, error * self.contexts[j]),
                (self.contexts, self.context_sums, j, error * self.words[i]),
                (self.word_bias, self.word_bias_sums, i, error),
                (self.context_bias, self.context_bias_sums, j, error),
            )
            for values, sums, at, gradient in gradients:
                change = rate * np.clip(gradient, -100, 100)
                values[at] -= change / np.sqrt(sums[at])
                sums[at] += change**2
        return cost

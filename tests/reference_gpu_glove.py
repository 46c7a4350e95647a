"""The slow and obvious twin of GloVe's kernel for GPUs: a tile's cells all read the rows as the tile finds them.

AdaGrad's sums too; on a GPU, of two cells of one context, either may find those that the other has changed.
"""

import math

import numpy as np


class SlowTiles:
    """Vectors with their biases, and AdaGrad's sums, apart: ``[vector | bias]`` in float64."""

    def __init__(self, words, contexts, word_bias, context_bias):
        self.words = np.column_stack([words, word_bias]).astype(np.float64)
        self.contexts = np.column_stack([contexts, context_bias]).astype(np.float64)
        self.word_sums, self.context_sums = np.ones_like(self.words), np.ones_like(self.contexts)

    def train(self, tiles, *, x_max, exponent, rate):
        """Train on tiles of cells ``(row, column, weight)``; return their cost."""
        return sum(self.train_tile(tile, x_max, exponent, rate) for tile in tiles)

    def train_tile(self, cells, x_max, exponent, rate):
        cost, changes = 0.0, []
        for i, j, x in cells:
            diff = self.words[i, :-1] @ self.contexts[j, :-1] + self.words[i, -1] + self.contexts[j, -1] - math.log(x)
            error = min(1.0, (x / x_max) ** exponent) * diff
            cost += 0.5 * error * diff
            gradients = (error * np.append(rows[at, :-1], 1) for rows, at in ((self.contexts, j), (self.words, i)))
            changes.append([rate * np.clip(gradient, -100, 100) for gradient in gradients])
        steps = []
        for i in {i for i, _, _ in cells}:
            of_word = [change for (row, _, _), (change, _) in zip(cells, changes, strict=True) if row == i]
            steps.append((self.words, self.word_sums, i, sum(of_word), sum(change**2 for change in of_word)))
        for (_, j, _), (_, change) in zip(cells, changes, strict=True):
            steps.append((self.contexts, self.context_sums, j, change, change**2))
        found = {id(sums): sums.copy() for sums in (self.word_sums, self.context_sums)}
        for rows, sums, at, change, squares in steps:
            rows[at] -= change / np.sqrt(found[id(sums)][at] + squares)
            sums[at] += squares
        return cost

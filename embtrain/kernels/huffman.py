"""Huffman's tree over the vocabulary (Huffman, 1952), as word2vec.c and MLlib build it for the hierarchical softmax.

A word is a leaf, and its path from the root is a row of decisions, one at each inner node: short for frequent
words, so that the mean number of decisions a token is the least that any tree reaches.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from embtrain.kernels.compilation import kernel


class HuffmanTree(NamedTuple):
    """The paths of all words. A tuple, since numba passes that to kernels at no cost.

    Inner nodes are numbered in the order in which they were made: the root, made last, is V - 2.
    """

    offsets: npt.NDArray[np.int64]
    """The path of word w is ``steps[offsets[w]:offsets[w + 1]]``. Shape ``(V + 1,)``."""
    steps: npt.NDArray[np.int32]
    """From the root down: inner node * 2 + code, where code is 0 towards the child of the lower count."""

    @property
    def num_nodes(self) -> int:
        """Return the number of inner nodes, V - 1."""
        return self.offsets.size - 2

    @property
    def longest(self) -> int:
        """Return the number of decisions of the longest path."""
        return int(np.diff(self.offsets).max())

    def node_weights(self, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return for each inner node the sum of the weights of the words below it. Shape ``(V - 1,)``."""
        of_steps = np.repeat(weights, np.diff(self.offsets))
        sums: npt.NDArray[np.float64] = np.bincount(self.steps >> 1, of_steps, self.num_nodes).astype(np.float64)
        return sums


def build_huffman_tree(counts: npt.NDArray[np.int64]) -> HuffmanTree:
    """Build the tree in time linear in the size of the vocabulary and the length of the paths.

    Args:
        counts: of each word, descending. Shape ``(V,)``, V >= 2.
    """
    size = counts.size
    parent, code = np.zeros(2 * size - 1, np.int32), np.zeros(2 * size - 1, np.int8)
    link_nodes(counts, parent, code)
    offsets = np.zeros(size + 1, np.int64)
    measure_paths(parent, offsets)
    steps = np.empty(offsets[-1], np.int32)
    write_paths(parent, code, offsets, steps)
    return HuffmanTree(offsets, steps)


@kernel
def link_nodes(counts, parent, code):
    """Join the two nodes of the lowest counts until one is left.

    Leaves by ascending count, and inner nodes, which come into being by ascending count, are two queues whose
    heads are the only candidates. Of equal counts the inner node goes first, as in word2vec.c.

    Args:
        counts: descending. Shape ``(V,)``, int64.
        parent, code: written; nodes 0 to V - 1 are the words, the others inner nodes. Shape ``(2V - 1,)``.
    """
    size = counts.size
    total = np.empty(2 * size - 1, np.int64)
    total[:size] = counts
    leaf, inner = size - 1, size
    for node in range(size, 2 * size - 1):
        total[node] = 0
        for bit in range(2):
            if leaf >= 0 and (inner == node or total[leaf] < total[inner]):
                lowest = leaf
                leaf -= 1
            else:
                lowest = inner
                inner += 1
            total[node] += total[lowest]
            parent[lowest] = node
            code[lowest] = bit


@kernel
def measure_paths(parent, offsets):
    """Write where each word's path begins. Parents come after their children, so depths are known from the end on."""
    size = offsets.size - 1
    depth = np.zeros(parent.size, np.int64)
    for node in range(parent.size - 2, -1, -1):
        depth[node] = depth[parent[node]] + 1
    for word in range(size):
        offsets[word + 1] = offsets[word] + depth[word]


@kernel
def write_paths(parent, code, offsets, steps):
    """Write each word's path, from its end to the root."""
    size = offsets.size - 1
    for word in range(size):
        node = np.int64(word)
        for k in range(offsets[word + 1] - 1, offsets[word] - 1, -1):
            steps[k] = (parent[node] - size) * 2 + code[node]
            node = np.int64(parent[node])

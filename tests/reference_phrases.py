"""Phrases, slowly and obviously: counted with Counter, joined one token after the other."""

import math
from collections import Counter
from itertools import pairwise


def find_pairs(sentences, *, score, threshold, min_count):
    """Return the pairs of one pass that score above the threshold, each with its count and score."""
    tokens, pairs = Counter(), Counter()
    for sentence in sentences:
        tokens.update(sentence)
        pairs.update(pairwise(sentence))
    found = {}
    for (first, second), count in pairs.items():
        if count < min_count:
            continue
        if score == "word2vec":
            value = (count - min_count) / tokens[first] / tokens[second] * tokens.total()
        else:
            together, apart = count / tokens.total(), tokens[first] / tokens.total() * tokens[second] / tokens.total()
            value = math.log(together / apart) / -math.log(together)
        if value > threshold:
            found[first, second] = (count, value)
    return found


def join(sentence, pairs):
    """Join from left to right, a pair as soon as it is met."""
    joined, rest = [], list(sentence)
    while rest:
        if tuple(rest[:2]) in pairs:
            joined.append("_".join(rest[:2]))
            del rest[:2]
        else:
            joined.append(rest.pop(0))
    return joined

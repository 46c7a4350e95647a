"""The slow and obvious twins of the exact objectives: plain loops in float64."""

import numpy as np

import reference

# --- hierarchical softmax ------------------------------------------------------------------------------------------


def huffman_paths(counts):
    """Return the path of each word as [(inner node, code), …] from the root: join the two lightest, again and again.

    Of equal counts inner nodes go before words, older inner nodes before newer ones, later words before earlier ones.
    """
    size = len(counts)
    waiting = [(count, 1, -word, word) for word, count in enumerate(counts)]
    parent = {}
    for node in range(size - 1):
        waiting.sort()
        (low, *_, zero), (high, *_, one) = waiting[:2]
        parent[zero], parent[one] = (node, 0), (node, 1)
        waiting = [*waiting[2:], (low + high, 0, node, size + node)]
    paths = []
    for word in range(size):
        path, at = [], word
        while at in parent:
            path.insert(0, parent[at])
            at = size + parent[at][0]
        paths.append(path)
    return paths


def path_blocks(path):
    """Return a path as (node, label) targets, six at a time; the label of code 0 is 1."""
    return [[(node, 1 - code) for node, code in path[i : i + 6]] for i in range(0, len(path), 6)]


def train_skipgram_on_paths(input_rows, output_rows, drawn_windows, paths, learning_rate):
    """Return (pairs, loss): context rows by fours, then twos, then one, each against six nodes at a time."""
    pairs, loss = 0, 0.0
    for center, contexts, _ in drawn_windows:
        pairs += len(contexts)
        for targets in path_blocks(paths[center]):
            loss += reference.step_with_contexts(input_rows, output_rows, contexts, targets, learning_rate)
    return pairs, loss


def train_cbow_on_paths(input_rows, output_rows, drawn_windows, paths, learning_rate, *, divide_gradient):
    """Return (predictions, loss): the mean of the context rows against the whole path; then the context rows' step."""
    predictions, loss = 0, 0.0
    for center, contexts, _ in drawn_windows:
        if not contexts:
            continue
        predictions += 1
        mean = np.mean([input_rows[i] for i in contexts], axis=0)
        total = np.zeros_like(mean)
        for targets in path_blocks(paths[center]):
            (step,), cost = reference.predict([mean], targets, output_rows, learning_rate)
            total += step
            loss += cost
        for i in contexts:
            input_rows[i] += total / len(contexts) if divide_gradient else total
    return predictions, loss


# --- full softmax --------------------------------------------------------------------------------------------------


def softmax(scores):
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


def predictions_of(center, contexts, model):
    """Yield ([input words], target) of a window: a prediction per context for skip-gram, one for CBOW."""
    if model == "cbow":
        if contexts:
            yield contexts, center
    else:
        for context in contexts:
            yield [context], center


def step_softmax(input_rows, output_rows, predictions, learning_rate):
    """Take one step down the summed cross-entropy of all predictions; return it. Rong, 2014, eqs. 8 to 16."""
    input_step, output_step, loss = np.zeros_like(input_rows), np.zeros_like(output_rows), 0.0
    for words, target in predictions:
        h = np.mean([input_rows[word] for word in words], axis=0)
        probability = softmax(output_rows @ h)
        loss -= np.log(probability[target])
        error = probability - np.eye(len(output_rows))[target]
        output_step -= learning_rate * np.outer(error, h)
        for word in words:
            input_step[word] -= learning_rate * error @ output_rows / len(words)
    input_rows += input_step
    output_rows += output_step
    return loss


def train_softmax(input_rows, output_rows, drawn_windows, learning_rate, *, model, windows_per_step):
    """Return (predictions, loss), with so many windows that have a context to a step."""
    windows = [(center, contexts) for center, contexts, _ in drawn_windows if contexts]
    count, loss = 0, 0.0
    for first in range(0, len(windows), windows_per_step):
        batch = [p for window in windows[first : first + windows_per_step] for p in predictions_of(*window, model)]
        count += len(batch)
        loss += step_softmax(input_rows, output_rows, batch, learning_rate)
    return count, loss

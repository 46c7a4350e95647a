"""ELMo as plain loops over words, steps and numbers: slow and obvious."""

import math

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def encode_word(encoder, characters):
    """Return the vector of one word, from its 50 characters."""
    state = {name: value.detach().double().numpy() for name, value in encoder.state_dict().items()}
    embedded = [state["embedding.weight"][character] for character in characters]
    features = []
    for number in range(len(encoder.convolutions)):
        filters, biases = state[f"convolutions.{number}.weight"], state[f"convolutions.{number}.bias"]
        for weights, bias in zip(filters, biases, strict=True):
            width = weights.shape[1]
            sums = [
                sum(weights[:, place] @ embedded[first + place] for place in range(width)) + bias
                for first in range(len(embedded) - width + 1)
            ]
            features.append(max(0, *sums))
    word = np.array(features)
    for number in range(len(encoder.highways)):
        transform, carry = (
            state[f"highways.{number}.{name}.weight"] @ word + state[f"highways.{number}.{name}.bias"]
            for name in ("transform", "carry")
        )
        word = sigmoid(carry) * np.maximum(0, transform) + (1 - sigmoid(carry)) * word
    return state["projection.weight"] @ word + state["projection.bias"]


def run_lstm(words, weights, clips, cell, output):
    """Return the outputs of one direction, and its last cells, of one sentence.

    weights: input, state, bias and projection, as the layer keeps them for a direction.
    """
    input_weight, state_weight, bias, projection = weights
    cell_clip, projection_clip = clips
    outputs = []
    for word in words:
        gates = word @ input_weight + output @ state_weight + bias
        size = len(cell)
        new_cell = np.empty(size)
        for k in range(size):
            forgotten = sigmoid(gates[2 * size + k] + 1) * cell[k]
            added = sigmoid(gates[k]) * math.tanh(gates[size + k])
            new_cell[k] = min(cell_clip, max(-cell_clip, forgotten + added))
        cell = new_cell
        hidden = sigmoid(gates[3 * size :]) * np.tanh(cell)
        output = np.clip(hidden @ projection, -projection_clip, projection_clip)
        outputs.append(output)
    return outputs, cell


def weights_of(lstm, direction):
    parameters = (lstm.input_weight, lstm.state_weight, lstm.bias, lstm.projection)
    return [parameter[direction].detach().double().numpy() for parameter in parameters]


def layers_of(bilm, words):
    """Return the layers of one sentence, (L, T, 2 P), from its words' vectors, its marks included."""
    architecture = bilm.architecture
    clips = (architecture.cell_clip or math.inf, architecture.projection_clip or math.inf)
    ways = []
    for direction, read in enumerate((words, words[::-1])):
        layers = [list(read)]
        for depth, lstm in enumerate(bilm.lstms):
            zeros = np.zeros(architecture.cell_dim), np.zeros(architecture.projection_dim)
            outputs, _ = run_lstm(layers[-1], weights_of(lstm, direction), clips, *zeros)
            if architecture.skip_connections and depth:
                outputs = [o + below for o, below in zip(outputs, layers[-1], strict=True)]
            layers.append(outputs)
        ways.append([layer[:: 1 if direction == 0 else -1] for layer in layers])
    return np.concatenate(ways, axis=2)


def sampled_losses(hidden, targets, weight, bias, sampled, expected):
    """Return each prediction's loss against sampled words; expected: how often each word is, by id."""

    def score(prediction, word):
        return prediction @ weight[word] + bias[word] - math.log(expected[word])

    losses = []
    for prediction, target in zip(hidden, targets, strict=True):
        true = math.exp(score(prediction, target))
        others = sum(math.exp(score(prediction, word)) for word in sampled if word != target)
        losses.append(-math.log(true / (true + others)))
    return losses


def streams_of(sentences, direction):
    """Return what is read and what is predicted, over all sentences in order; ids of words begin at 2."""
    read, predicted = [], []
    for sentence in sentences:
        words = [token + 2 for token in sentence]
        marked = [1, *words, 0] if direction == 0 else [0, *words[::-1], 1]
        read += marked[:-1]
        predicted += marked[1:]
    return read, predicted

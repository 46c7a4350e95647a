"""The slow and obvious twin of FastText's kernel for GPUs: plain loops over Python numbers, in float64."""

from itertools import chain

import numpy as np

from reference_gpu import Step, sigmoid, softplus, take_steps


def train_fasttext(input_rows, output_rows, loads, kept, tiles, parts, learning_rate, weight, *, cbow):
    """Return (predictions, loss) of tiles of :func:`reference_gpu.tiles`; ``parts``: the rows of each word."""
    predictions, loss, dim = 0, 0.0, input_rows.shape[1]
    for windows, negatives in tiles:
        of_contexts = {place: Step(dim) for _, contexts in windows for place in contexts}
        of_centers, of_negatives = ([Step(dim) for _ in slots] for slots in (windows, negatives))
        for (center, contexts), of_center in zip(windows, of_centers, strict=True):
            against = [(center, 1, 1.0, of_center)]
            against += [(k, 0, weight, step) for k, step in zip(negatives, of_negatives, strict=True) if k != center]
            for places in [contexts] if cbow and contexts else [[place] for place in contexts]:
                predictions += 1
                mean = np.mean([input_rows[row] for place in places for row in parts[kept[place]]], axis=0)
                for target, label, share, step in against:
                    score = float(mean @ output_rows[target])
                    gradient = learning_rate * share * (label - sigmoid(score))
                    for place in places:
                        of_contexts[place].along(output_rows[target], gradient)
                    step.along(mean, gradient)
                    loss += share * softplus(-score if label else score)
        steps_in = ([(row, step) for row in parts[kept[place]]] for place, step in of_contexts.items())
        take_steps(input_rows, chain(*steps_in), loads[0])
        centers = [center for center, _ in windows]
        take_steps(output_rows, zip([*centers, *negatives], [*of_centers, *of_negatives], strict=True), loads[1])
    return predictions, loss

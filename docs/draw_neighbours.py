"""Draws docs/images/neighbours.svg: words of a few families in two dimensions, as a model's vectors place them.

::

    python -m docs.draw_neighbours models:/demo@champion

The plane is that of the two principal components of the words shown. Needs matplotlib, of the extra `dev`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import embtrain
from embtrain.vectors import Vectors

PICTURE = Path(__file__).resolve().parent / "images" / "neighbours.svg"

# Of middle lightness, so that they can be read on light pages and on dark ones.
FAMILIES = {
    "#3a87d8": "january march june july december",
    "#d9661f": "red green blue white yellow orange purple",
    "#1a9d72": "one two three four five six seven eight",
    "#c0639c": "circle ellipse polygon rectangle triangle",
    "#808080": "reader writer encoder decoder loader",
}
INCHES = (8.0, 4.5)
# Room that a label takes, as shares of the picture: of a letter to the right, and of a line.
LETTER, LINE = 0.0115, 0.038


def main() -> None:
    """Draw the picture of the model that the command line names."""
    parser = argparse.ArgumentParser(description="Draw families of words in two dimensions.")
    parser.add_argument("model", help="as for `embtrain nearest`")
    draw(embtrain.load_words(parser.parse_args().model))


def draw(vectors: Vectors) -> None:
    """Draw the words of each family that the vectors know, in its colour, on no background."""
    words = [(word, colour) for colour, family in FAMILIES.items() for word in family.split() if word in vectors]
    places = principal_plane(vectors.unit[[vectors.key_to_index[word] for word, _ in words]])
    # The same words give the same file; letters stay text, in the reader's own font.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "neighbours", "font.family": "sans-serif"})
    figure = Figure(INCHES)
    axes = figure.add_axes((0.01, 0.01, 0.98, 0.98))
    axes.set_axis_off()
    axes.set(xlim=(-0.02, 1.14), ylim=(-0.08, 1.04))
    labels = heights_apart(places, [word for word, _ in words])
    for (word, colour), (x, y), label in zip(words, places, labels, strict=True):
        axes.plot([x, x + 0.012], [y, label], color=colour, linewidth=0.6)
        axes.plot(x, y, "o", color=colour, markersize=4)
        axes.text(x + 0.014, label, word, color=colour, size=10, va="center_baseline")
    figure.savefig(PICTURE, transparent=True, metadata={"Date": None})


def principal_plane(unit: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rows of ``(N, D)`` in the plane ``(N, 2)`` in which they vary most, each axis scaled to 0..1."""
    centred = unit - unit.mean(axis=0)
    _, _, components = np.linalg.svd(centred, full_matrices=False)
    plane = centred @ components[:2].T
    scaled: NDArray[np.float32] = (plane - plane.min(axis=0)) / np.ptp(plane, axis=0)
    return scaled


def heights_apart(places: NDArray[np.float32], words: list[str]) -> list[float]:
    """Return the height of each word's label: its point's, or as far below as there is room for it."""
    heights = dict.fromkeys(range(len(words)), 0.0)
    placed: list[int] = []
    for i in np.argsort(-places[:, 1]).tolist():
        beside = [
            j
            for j in placed
            if places[j, 0] < places[i, 0] + LETTER * (len(words[i]) + 2)
            and places[i, 0] < places[j, 0] + LETTER * (len(words[j]) + 2)
        ]
        heights[i] = min(
            [float(places[i, 1]), *(heights[j] - LINE for j in beside if heights[j] - LINE < places[i, 1])]
        )
        placed.append(i)
    return list(heights.values())


if __name__ == "__main__":
    main()

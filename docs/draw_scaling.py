"""Draws docs/images/scaling.svg: the rooflines of the kernels, and what a word costs as the vocabulary grows.

::

    python benchmarks/roofline.py --save benchmarks/results/roofline.json
    python -m docs.draw_scaling

Needs matplotlib, of the extra `dev`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]
MEASURED = ROOT / "benchmarks" / "results" / "roofline.json"
PICTURE = ROOT / "docs" / "images" / "scaling.svg"

# Of middle lightness, so that they can be read on light pages and on dark ones.
GREY, COLOURS = "#808080", {"skip-gram": "#3a87d8", "CBOW": "#d9661f", "FastText": "#1a9d72", "GloVe": "#c0639c"}
LABELS = {
    "CBOW 100": ((-6, -3), "right"),
    "GloVe 100": ((-5, 2), "right"),
    "GloVe 300": ((-5, -9), "right"),
}
"""Where a label is not right of its point: points to the right and up, and its side that is there."""
INTENSITIES = np.array([0.5, 16.0])
"""FLOPs per byte that the roofline spans."""
LARGEST = 10**8
"""Words of the vocabulary that the line is drawn to."""


def main() -> None:
    """Draw what the benchmark has saved."""
    measured = json.loads(MEASURED.read_text("utf-8"))
    # The same numbers give the same file; letters stay text, in the reader's own font.
    mpl.rcParams.update(
        {"svg.fonttype": "none", "svg.hashsalt": "scaling", "font.family": "sans-serif", "font.size": 9}
    )
    figure = Figure((8.0, 3.6), layout="constrained")
    roofline, vocabularies = figure.subplots(1, 2)
    draw_roofline(roofline, measured)
    draw_vocabularies(vocabularies, measured)
    for axes in (roofline, vocabularies):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=GREY, which="both")
        axes.spines[:].set_color(GREY)
        for label in (axes.xaxis.label, axes.yaxis.label, axes.title):
            label.set_color(GREY)
    figure.savefig(PICTURE, transparent=True, metadata={"Date": None})


def draw_roofline(axes: Axes, measured: dict[str, Any]) -> None:
    """Draw both ceilings of one thread, and each kernel below them."""
    ceilings = measured["ceilings"]
    ridge = ceilings["flops_per_second"] / ceilings["bytes_per_second"]
    spanned = np.sort(np.append(INTENSITIES, ridge))
    roof = np.minimum(spanned * ceilings["bytes_per_second"], ceilings["flops_per_second"])
    axes.loglog(spanned, roof / 1e9, color=GREY)
    for point in measured["kernels"]:
        intensity = point["flops"] / point["bytes"]
        speed = point["items_per_second"] * point["flops"] / 1e9
        axes.plot(intensity, speed, "o", color=colour_of(point), markersize=5)
        place, side = LABELS.get(point["kernel"], ((5, -3), "left"))
        label = {"textcoords": "offset points", "ha": side, "color": colour_of(point)}
        axes.annotate(point["kernel"], (intensity, speed), place, **label)
    axes.set(xlabel="FLOPs per byte of memory", ylabel="GFLOP/s of one thread", title="Rooflines", ylim=(8, 200))


def draw_vocabularies(axes: Axes, measured: dict[str, Any]) -> None:
    """Draw what a word costs, the line through all but the largest vocabulary, and where that goes on to."""
    points = measured["vocabularies"]
    for kernel in dict.fromkeys(point["kernel"] for point in points):
        of_kernel = [point for point in points if point["kernel"] == kernel]
        sizes = np.array([point["vocabulary"] for point in of_kernel])
        costs = np.array([1e9 / point["items_per_second"] for point in of_kernel])
        at_one, per_tenfold = measured["fits"][kernel]
        line = np.array([sizes[0], LARGEST])
        axes.plot(line, at_one + per_tenfold * np.log10(line), "--", color=colour_of(of_kernel[0]), linewidth=0.8)
        axes.plot(sizes, costs, "o", color=colour_of(of_kernel[0]), markersize=4, label=kernel)
    axes.set(xscale="log", ylim=(0, None), xlabel="words of the vocabulary", ylabel="ns of a thread per kept word")
    axes.set_title("Larger vocabularies")
    axes.legend(frameon=False, labelcolor=GREY, loc="lower right")


def colour_of(point: dict[str, Any]) -> str:
    """Return the colour of a kernel of this name."""
    return COLOURS[point["kernel"].split()[0]]


if __name__ == "__main__":
    main()

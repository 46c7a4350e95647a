"""A progress bar for training: words or cells per second, loss, time left."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

from embtrain.models.protocol import Tally

SMOOTHING = 0.02
"""Weight of the newest tally in the loss shown."""


@contextmanager
def training_bar(*, total: int, done: int, unit: str, shown: bool) -> Iterator[Callable[[Tally], None]]:
    """Show a bar on standard error while the block runs; yields what moves it.

    Args:
        total: tokens or cells of all epochs.
        done: that a resumed run starts from.
        unit: what they are called.
        shown: False for all processes but the first.
    """
    # Where nobody is looking (a log file), a line every 30 seconds is enough.
    pause = 0.2 if sys.stderr.isatty() else 30
    loss = float("nan")
    with tqdm(
        desc="train",
        total=total,
        initial=done,
        unit=f" {unit}",
        unit_scale=True,
        mininterval=pause,
        disable=not shown,
        dynamic_ncols=True,
    ) as bar:

        def advance(tally: Tally) -> None:
            nonlocal loss
            if tally.pairs:
                newest = tally.loss_per_pair
                loss = newest if loss != loss else loss + SMOOTHING * (newest - loss)  # noqa: PLR0124 - NaN test
                bar.set_postfix_str(f"loss {loss:.4f}", refresh=False)
            bar.update(tally.items)

        yield advance

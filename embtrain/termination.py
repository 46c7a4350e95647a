"""SIGTERM, by which schedulers and launchers tell a process to end: it ends in order, as from an error."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from embtrain.errors import EmbtrainError


@contextmanager
def heeded(error: EmbtrainError, *, grace_seconds: float = 0.0) -> Iterator[Callable[[], bool]]:
    """Raise an error in the main thread when SIGTERM comes, rather than die.

    What computes without a line of Python, such as a long factorisation, is let finish before.

    Args:
        error: that is raised.
        grace_seconds: after which it is raised. A second SIGTERM does not wait.

    Yields:
        What tells whether the signal has come. Who is told so is to end by itself, in its own time: the error is then
        raised no more.
    """
    if threading.current_thread() is not threading.main_thread():  # where Python has no signals
        yield lambda: False
        return
    told, ended = threading.Event(), threading.Event()

    def end(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGALRM or told.is_set() or not grace_seconds:
            ended.set()
            raise error
        told.set()
        signal.setitimer(signal.ITIMER_REAL, grace_seconds)

    def is_told() -> bool:
        if told.is_set():
            signal.setitimer(signal.ITIMER_REAL, 0)
        return told.is_set()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGALRM)}
    try:
        yield is_told
    except Exception:
        if ended.is_set():  # Spark's bridge to Java, for one, makes an error of its own of what interrupts it
            raise error from None
        raise
    finally:
        is_told()
        for number, handler in before.items():
            signal.signal(number, handler)

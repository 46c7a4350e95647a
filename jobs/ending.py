"""How a job ends: with a sentence, not a stack trace, for what the user can put right."""

from __future__ import annotations

import sys
from collections.abc import Callable

from embtrain.errors import in_one_sentence


def exit_code(job: str, work: Callable[[], None]) -> int:
    """Do the work of a job; return 0, or 2 for what the user can put right, said in one sentence on stderr."""
    try:
        work()
    except Exception as error:
        sentence = in_one_sentence(error)
        if sentence is None:
            raise
        print(f"{job}: {sentence}", file=sys.stderr)
        return 2
    return 0

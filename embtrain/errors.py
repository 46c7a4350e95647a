"""What can be wrong with the user's input, one class a cause.

Every message says what was expected, what was found, and what to do. The command line prints it
as one sentence and exits non-zero; a Python caller can catch :class:`EmbtrainError` for all of them.
"""

from __future__ import annotations

import signal

ANOTHER_ENDED = "another process of this training has ended"
"""In the sentence of each process that ends because another one does; why that one does, it says itself."""


class EmbtrainError(Exception):
    """Something outside of embtrain is not as it must be."""


def in_one_sentence(error: BaseException) -> str | None:
    """Return what the user is to be told of an error; None for what can only be a defect of embtrain."""
    match error:
        case EmbtrainError():
            return str(error)
        case OSError(filename=str(name), strerror=str(reason)):
            return f"{name}: {reason}"
        case OSError():
            return str(error)
        case _:
            return None


class ConfigError(EmbtrainError, ValueError):
    """A setting is unknown, of the wrong type or out of range."""


class CorpusError(EmbtrainError, ValueError):
    """The text is missing, unreadable, or leaves nothing to train on."""


class SnapshotError(EmbtrainError, ValueError):
    """A snapshot's table is absent, unfinished, damaged, or not what its manifest says."""


class CheckpointError(EmbtrainError, ValueError):
    """A checkpoint is damaged, or belongs to another model, vocabulary or configuration."""


class FormatError(EmbtrainError, ValueError):
    """A file of vectors or an evaluation set cannot be read."""


class UnknownWordError(EmbtrainError, KeyError):
    """A word is not in the vocabulary."""

    def __str__(self) -> str:
        """Give the message itself: KeyError would print its repr."""
        return str(self.args[0]) if self.args else ""


class ModelNotFoundError(EmbtrainError, LookupError):
    """No model has the given name, version or alias."""


class SetupError(EmbtrainError, RuntimeError):
    """Java, a package, a port or a directory that the work needs is not usable."""


class TerminatedError(EmbtrainError):
    """The process was told to end, by SIGTERM, and did."""


def exit_code_of(error: BaseException) -> int:
    """Return what a process ends with that has told an error in one sentence; 143 for SIGTERM, as shells say."""
    return 128 + signal.SIGTERM if isinstance(error, TerminatedError) else 2

"""Files of vectors: other tools' formats, and our own.

=================== ========================== ======= ============= ======================
Format              Of                         N-grams Keeps counts  Words may hold blanks
=================== ========================== ======= ============= ======================
``word2vec``        word2vec, gensim, fastText no      no            no
``word2vec-binary`` word2vec, gensim           no      no            no
``glove``           Stanford's GloVe           no      no            no
``fasttext``        fastText, gensim           yes     yes           yes
``parquet``         anything with Parquet      no      yes           yes
``safetensors``     embtrain: a folder         yes     yes           yes
=================== ========================== ======= ============= ======================

All keep float32 exactly. The first four may be compressed: ``.gz`` when written, told by content when read.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from embtrain.errors import FormatError
from embtrain.formats import fasttext, glove, parquet, safetensors_folder, word2vec_binary, word2vec_text
from embtrain.formats.detection import detect
from embtrain.formats.tensors import Precision
from embtrain.vectors import Vectors


class _Format(Protocol):
    """What a module of a format offers."""

    def read(self, path: Path) -> Vectors: ...

    def write(self, vectors: Vectors, path: Path) -> None: ...


FORMATS: dict[str, _Format] = {
    "word2vec": word2vec_text,
    "word2vec-binary": word2vec_binary,
    "glove": glove,
    "fasttext": fasttext,
    "parquet": parquet,
    "safetensors": safetensors_folder,
}


_SMALL: dict[str, Callable[[Vectors, Path, Precision], None]] = {
    "safetensors": safetensors_folder.write,
    "fasttext": fasttext.write,
}


def read(path: str | Path, format: str | None = None) -> Vectors:  # noqa: A002 -- as users call it
    """Read vectors from a file or folder.

    Args:
        path: on a local disk.
        format: a key of ``FORMATS``. None: told by the content.

    Raises:
        FormatError: if there is no such file or format, or the content is damaged or of another format.
    """
    path = Path(path)
    found = format or detect(path)
    if found is None:
        raise FormatError(f"{path} is in no format that embtrain knows: {', '.join([*FORMATS, 'elmo'])}")
    return _named(found).read(path)


def write(vectors: Vectors, path: str | Path, format: str, precision: Precision = "full") -> None:  # noqa: A002 -- as users call it
    """Write vectors to a file or folder, which appears once it is whole.

    Args:
        vectors: what to write.
        path: on a local disk.
        format: a key of ``FORMATS``.
        precision: ``full``; of ``safetensors`` also ``float16``, half the bytes, and ``quantised``, about a seventh; of
            ``fasttext`` also ``quantised``.

    Raises:
        FormatError: if there is no such format, it has no such precision or cannot hold a word, or the place cannot be
            written to.
    """
    if precision == "full":
        _named(format).write(vectors, Path(path))
    elif format in _SMALL:
        _SMALL[format](vectors, Path(path), precision)
    else:
        raise FormatError(f"{format} is not written in {precision}; choose {' or '.join(_SMALL)}")


def _named(name: str) -> _Format:
    if name not in FORMATS:
        raise FormatError(f"there is no format {name!r}; known are {', '.join(FORMATS)}")
    return FORMATS[name]

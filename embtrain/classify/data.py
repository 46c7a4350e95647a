"""Texts with labels: read from a table, and cut in parts to learn from, to stop by and to test on."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from embtrain.classifier_settings import ClassifySettings
from embtrain.classify.tables import read_columns
from embtrain.config import CorpusSettings
from embtrain.errors import CorpusError

log = logging.getLogger(__name__)

_HASHES = 2**64


@dataclass(frozen=True)
class Examples:
    """Texts, string array ``(N,)``, and the number of each one's class, ``(N,)`` int64."""

    texts: pa.Array
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class Dataset:
    """The classes by name, in order, and the three parts."""

    classes: list[str]
    train: Examples
    dev: Examples
    test: Examples


def read_dataset(corpus: CorpusSettings, settings: ClassifySettings) -> Dataset:
    """Read the table, and the one to test on where there is another, and cut them in parts.

    Rows without a text or a label are left out, and counted in the log. A label that chance would put into the dev part
    alone stays in the training part.

    Raises:
        CorpusError: if there is no such file or column, a part has no row, the training part fewer than two classes, or
            the test part one that it has not.
        ConfigError: if the format of the corpus has no columns.
    """
    rows = _read(corpus.paths, corpus, settings)
    if settings.test_paths:
        rest, test = rows, _read(settings.test_paths, corpus, settings)
    else:
        in_test = _last(rows.num_rows, settings.test_fraction)
        if settings.test_part == "hash":
            in_test = chosen_by_hash(rows["text"], settings.test_fraction, purpose="test")
        rest, test = rows.filter(~in_test), rows.filter(in_test)
    in_dev = chosen_by_hash(rest["text"], settings.dev_fraction, purpose="dev")
    in_dev &= pc.is_in(rest["label"], pc.unique(rest["label"].filter(~in_dev))).to_numpy()
    parts = {"train": rest.filter(~in_dev), "dev": rest.filter(in_dev), "test": test}
    for name, part in parts.items():
        if not part.num_rows:
            labels = len(pc.unique(rows["label"]))
            raise CorpusError(
                f"too few rows: of {rows.num_rows} with a text and one of {labels} labels, none is in the {name} part; "
                "add rows, or change classify.test_fraction and classify.dev_fraction"
            )
    classes = _classes(parts["train"]["label"], settings.label_column)
    return Dataset(classes, **{name: _examples(part, classes) for name, part in parts.items()})


def chosen_by_hash(texts: pa.ChunkedArray, share: float, *, purpose: str) -> npt.NDArray[np.bool_]:
    """Tell which texts belong to a share of them all, ``(N,)``: the same ones in every table, copies alike.

    Args:
        texts: string array, shape ``(N,)``.
        share: 0 to 1, of the different texts.
        purpose: another one chooses independently.
    """
    # A loop over texts, but a short one beside the training.
    salted = (f"{purpose}\0{text}".encode() for text in texts.to_pylist())
    digests = b"".join(hashlib.blake2b(text, digest_size=8).digest() for text in salted)
    return np.frombuffer(digests, ">u8") < share * _HASHES


def _last(num_rows: int, share: float) -> npt.NDArray[np.bool_]:
    """Tell which rows belong to the last share of them; what is before it is rounded down."""
    return np.arange(num_rows) >= int(num_rows * (1 - share) + 1e-9)


def _read(paths: Sequence[str], corpus: CorpusSettings, settings: ClassifySettings) -> pa.Table:
    """Return the columns ``text`` and ``label``, strings both, of the rows that have them."""
    columns = {"text": corpus.text_column, "label": settings.label_column}
    table = read_columns(paths, corpus.format, columns, encoding=settings.encoding)
    rows = table.filter(pc.and_(*(_is_there(table[column]) for column in ("text", "label"))))
    if rows.num_rows < table.num_rows:
        log.info("left out %d of %d rows, without a text or a label", table.num_rows - rows.num_rows, table.num_rows)
    if not rows.num_rows:
        raise CorpusError(
            f"the table {', '.join(paths)} has no row with a text in {corpus.text_column!r} and a label in "
            f"{settings.label_column!r}; found {table.num_rows} rows"
        )
    return rows


def _is_there(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.not_equal(pc.utf8_trim_whitespace(pc.coalesce(values, "")), "")


def _classes(labels: pa.ChunkedArray, column: str) -> list[str]:
    classes = sorted(pc.unique(labels).to_pylist())
    if len(classes) == 1:
        raise CorpusError(
            f"the column {column!r} has one label, {classes[0]!r}, in the training part; expected two or more"
        )
    return classes


def _examples(part: pa.Table, classes: list[str]) -> Examples:
    labels = pc.index_in(part["label"], pa.array(classes))
    if labels.null_count:  # in the test part: those of the dev part are learned
        unknown = part["label"].filter(pc.is_null(labels))[0].as_py()
        raise CorpusError(
            f"the test part has the label {_short(unknown)}, which the training part has not; it has "
            f"{', '.join(map(_short, classes[:10]))}; leave such rows out, or add some to train on; if the table is "
            "sorted by label, set classify.test_part to hash"
        )
    return Examples(part["text"].combine_chunks(), labels.to_numpy().astype(np.int64))


def _short(label: str) -> str:
    """Return a label for a message: a column of texts may have been taken for one of labels."""
    return f"{label!r:.40}"

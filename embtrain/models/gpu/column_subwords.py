"""Columns of FastText's vectors on a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from embtrain.columns import Columns
from embtrain.config import FastTextSettings
from embtrain.kernels.subword_rows import Parts
from embtrain.models.columns import LaidOut
from embtrain.models.gpu.column_rows import ComposedRows
from embtrain.models.gpu.columns import DeviceColumns


class DeviceSubwords(DeviceColumns):
    """The columns of one process on a device: a batch reads words, and moves their rows.

    Args:
        settings: of the model.
        input_rows: of words and n-grams, at the start; copied. Shape ``(R, S)``, S at least the number of columns.
        columns: those of this process.
        parts: the input rows of each word; they stay on the host.
        device: of the rows.
    """

    def __init__(
        self,
        settings: FastTextSettings,
        input_rows: npt.NDArray[np.float32],
        columns: Columns,
        *,
        parts: Parts,
        device: str,
    ) -> None:
        super().__init__(settings, input_rows, columns, vocab_size=len(parts.counts), device=device)
        self._parts = parts

    def _inputs(self, span: LaidOut) -> Iterator[ComposedRows]:
        """Copy the rows' ids of a span's words to the device, and yield the words of each batch."""
        assert span.words is not None
        ends = span.words.offsets
        words = span.words.ids[: ends[-1]]
        counts = self._parts.offsets[words + 1] - self._parts.offsets[words]
        member_ends = np.append(0, np.cumsum(counts))
        places = np.arange(member_ends[-1]) + np.repeat(self._parts.offsets[words] - member_ends[:-1], counts)
        members, member_of = self._put(self._parts.rows[places]), self._put(np.repeat(np.arange(words.size), counts))
        factors = self._put((np.ones_like(counts) if self._has_means else 1 / counts).astype(np.float32))
        for first, last in pairwise(ends.tolist()):
            of_batch = slice(member_ends[first], member_ends[last])
            yield ComposedRows(self._input, members[of_batch], member_of[of_batch] - first, factors[first:last])

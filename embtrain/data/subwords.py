"""The ``subwords`` table as arrays: which buckets the n-grams of each token fall into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from embtrain.data.vocabulary import read_by_id
from embtrain.errors import SnapshotError
from embtrain.manifest import Snapshot
from embtrain.schema import SUBWORDS, VOCABULARY


@dataclass(frozen=True)
class SubwordTable:
    """The buckets of V tokens.

    Attributes:
        offsets: those of token i are buckets[offsets[i]:offsets[i + 1]]. Shape ``(V + 1,)``, int64.
        buckets: in ``[0, settings["buckets"])``. Shape ``(N,)``, int32.
        settings: how tokens were taken apart: the section ``subwords`` of the run file that made the table.
    """

    offsets: npt.NDArray[np.int64]
    buckets: npt.NDArray[np.int32]
    settings: dict[str, Any]

    @classmethod
    def read(cls, snapshot: Snapshot, vocab_size: int) -> SubwordTable:
        """Read the table.

        Raises:
            SnapshotError: if it is absent or damaged, or was made from another vocabulary.
        """
        snapshot.require_origin(SUBWORDS, VOCABULARY)
        folder, manifest = snapshot.table(SUBWORDS)
        lists = read_by_id(snapshot, SUBWORDS).column("buckets").combine_chunks()
        settings = manifest.made_from.get("settings", {})
        buckets = lists.flatten().to_numpy()
        if len(lists) != vocab_size or buckets.min(initial=0) < 0 or buckets.max(initial=0) >= settings["buckets"]:
            raise SnapshotError(
                f"{folder} must have n-grams of {vocab_size} tokens, in buckets below {settings['buckets']}; "
                "run prepare again"
            )
        sizes = np.diff(lists.offsets.to_numpy())
        return cls(np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]), buckets, settings)

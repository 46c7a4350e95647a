"""The ``characters`` table as an array: each token as ELMo reads it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from embtrain.data.vocabulary import read_by_id
from embtrain.errors import SnapshotError
from embtrain.manifest import Snapshot
from embtrain.schema import CHARACTERS, VOCABULARY
from embtrain.text.characters import CHARACTERS_PER_WORD, NUM_CHARACTERS


def read_characters(snapshot: Snapshot, vocab_size: int) -> npt.NDArray[np.int32]:
    """Return the characters of each token by id. Shape ``(V, 50)``.

    Raises:
        SnapshotError: if the table is absent or damaged, or was made from another vocabulary.
    """
    snapshot.require_origin(CHARACTERS, VOCABULARY)
    folder, _ = snapshot.table(CHARACTERS)
    spelled = read_by_id(snapshot, CHARACTERS).column("characters").combine_chunks()
    ids: npt.NDArray[np.int32] = spelled.flatten().to_numpy()
    is_whole = (np.diff(spelled.offsets.to_numpy()) == CHARACTERS_PER_WORD).all() and len(spelled) == vocab_size
    if not is_whole or ids.min(initial=1) < 1 or ids.max(initial=1) >= NUM_CHARACTERS:
        raise SnapshotError(
            f"{folder} must have {CHARACTERS_PER_WORD} characters of each of {vocab_size} tokens, in 1 to "
            f"{NUM_CHARACTERS - 1}; run prepare again"
        )
    return ids.reshape(-1, CHARACTERS_PER_WORD)

"""How near vectors that were made smaller are to those that they were made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embtrain.evaluation.suite import Evaluation
from embtrain.subword_vectors import SubwordVectors
from embtrain.vectors import Vectors, scaled_to_length_one

# So many of the most frequent words are asked for their neighbours, and misspelt.
_NUM_ASKED = 1000
_NUM_NEIGHBOURS = 10


@dataclass(frozen=True)
class Nearness:
    """Cosine similarities of vectors before and after, of one kind of words."""

    name: str
    num_words: int
    mean: float
    least: float


@dataclass(frozen=True)
class Fidelity:
    """What is left of the quality. ``str`` gives a line for each figure."""

    nearness: list[Nearness]
    neighbours_kept: float
    """Of the 10 nearest words of the 1,000 most frequent, the share that is still among them."""
    before: Evaluation
    after: Evaluation

    def __str__(self) -> str:
        lines = [
            f"{kind.name}: cosine to the full vectors {kind.mean:.4f} in the mean, {kind.least:.4f} at least, "
            f"of {kind.num_words:,} words"
            for kind in self.nearness
        ]
        lines.append(f"nearest {_NUM_NEIGHBOURS} words: {100 * self.neighbours_kept:.1f} % are still among them")
        before, after = self.before.metrics(), self.after.metrics()
        lines += [
            f"{name}: {100 * before[name]:.1f} before, {100 * after[name]:.1f} after"
            for name in before
            if name in after and "coverage" not in name
        ]
        return "\n".join(lines)


def compare(before: Vectors, after: Vectors, measured_before: Evaluation, measured_after: Evaluation) -> Fidelity:
    """Compare vectors of the same words; on words never seen too, where there are n-grams."""
    nearness = [_nearness("words", before.index_to_key, before, after)]
    misspelt = _misspelt(before, after) if isinstance(before, SubwordVectors) else []
    if misspelt:
        nearness.append(_nearness("misspelt words", misspelt, before, after))
    return Fidelity(nearness, _neighbours_kept(before, after), measured_before, measured_after)


def _nearness(name: str, words: Sequence[str], before: Vectors, after: Vectors) -> Nearness:
    cosines = np.einsum("nd,nd->n", scaled_to_length_one(before[words]), scaled_to_length_one(after[words]))
    return Nearness(name, len(words), float(cosines.mean()), float(cosines.min()))


def _misspelt(before: SubwordVectors, after: Vectors) -> list[str]:
    """Return frequent words without their third letter, where these are no words, but have vectors."""
    words = [word[:2] + word[3:] for word in before.index_to_key[: 2 * _NUM_ASKED] if len(word) > 3]  # noqa: PLR2004
    unseen = list(dict.fromkeys(word for word in words if word not in before.key_to_index))[:_NUM_ASKED]
    # Trimming can leave a word without any n-gram.
    have_both = before.known(unseen) & after.known(unseen)
    return [word for word, has_both in zip(unseen, have_both, strict=True) if has_both]


def _neighbours_kept(before: Vectors, after: Vectors) -> float:
    asked = before.index_to_key[:_NUM_ASKED]
    kept = total = 0
    pairs = zip(before.nearest(asked, _NUM_NEIGHBOURS), after.nearest(asked, _NUM_NEIGHBOURS), strict=True)
    for expected, found in pairs:
        kept += len({word for word, _ in expected} & {word for word, _ in found})
        total += len(expected)
    return kept / total if total else 1.0

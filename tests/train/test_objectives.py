"""The exact objectives as models in training: what they refuse, and how their copies are brought together."""

import numpy as np
import pytest

from embtrain.config import CbowSettings, SgnsSettings
from embtrain.data.vocabulary import Vocabulary
from embtrain.distributed import Group
from embtrain.errors import CorpusError
from embtrain.models.build import build_model


def vocabulary_of(counts):
    counts = np.array(counts, np.int64)
    probability = counts / max(1, counts.sum())
    return Vocabulary([f"w{i}" for i in range(counts.size)], counts, np.ones(counts.size), probability)


def model_of(settings, counts):
    return build_model(settings, vocabulary_of(counts), threads=1, seed=1)


@pytest.mark.parametrize("counts", [[], [7]])
@pytest.mark.parametrize("objective", ["softmax", "hierarchical_softmax"])
@pytest.mark.parametrize("settings", [SgnsSettings, CbowSettings])
def test_a_vocabulary_with_nothing_to_predict_is_refused(settings, objective, counts):
    with pytest.raises(CorpusError, match=f"the vocabulary has {len(counts)} words, but model.objective {objective}"):
        model_of(settings(objective=objective), counts)


def test_the_tree_has_a_row_for_each_inner_node():
    model = model_of(SgnsSettings(dim=20, objective="hierarchical_softmax"), [5, 3, 1, 1])
    assert {name: rows.shape for name, rows in model.state().items()} == {"input": (4, 32), "output": (3, 32)}


def test_changes_of_nodes_near_the_root_are_averaged_and_those_of_rare_words_added_up():
    model = model_of(SgnsSettings(dim=1, objective="hierarchical_softmax"), [10**9, 10**6, 1, 1])
    merge = model.merger(Group(0, 2), 10**9)
    model.state()["output"][:, 0] = 1.0  # of a process whose companion has changed nothing
    merge([10**9, 10**9], settle=True)
    rare, middle, root = model.state()["output"][:, 0]
    assert rare == pytest.approx(1, abs=0.025)
    assert middle == pytest.approx(0.5, abs=1e-3)
    assert root == pytest.approx(0.5, abs=1e-6)

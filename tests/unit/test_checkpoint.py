"""The folder of an unfinished run's state: whose it is, and what is deleted of it when."""

import pytest

from embtrain.checkpoint import Checkpoint, Position
from embtrain.errors import CheckpointError


def is_free(folder):
    try:
        with Checkpoint(folder, {}).held():
            return True
    except CheckpointError:
        return False


def test_no_other_run_gets_a_folder_that_is_being_deleted(tmp_path):
    class Watched(Checkpoint):
        def _clear(self):
            found.append(is_free(self.folder))
            super()._clear()
            found.append(self.folder.exists())

    found = []
    with Watched(tmp_path / "run", {}).held():
        pass
    assert found == [False, False]
    assert is_free(tmp_path / "run")


@pytest.fixture
def saved(tmp_path):
    """Give the folder of what a run on the first corpus saved."""
    of_run(tmp_path, model="sgns", snapshot="first").save(Position(items=7), {}, {})
    return tmp_path


def of_run(folder, **belongs_to):
    return Checkpoint(folder, belongs_to)


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_a_checkpoint_of_another_corpus_is_discarded(saved):
    of_run(saved, model="sgns", snapshot="second").discard_stale({"snapshot"})
    assert names(saved) == set()


def test_a_checkpoint_of_this_run_is_not_discarded(saved):
    of_run(saved, model="sgns", snapshot="first").discard_stale()
    assert names(saved) == {"checkpoint.json", "state-7.safetensors"}


def test_a_checkpoint_of_another_model_too_is_not_discarded_for_its_corpus(saved):
    other = of_run(saved, model="cbow", snapshot="second")
    other.discard_stale({"snapshot"})
    told = r"made with another model \(sgns, now cbow\) and another snapshot \(first, now second\); set train.stale_ch"
    with pytest.raises(CheckpointError, match=told):
        other.load({})


def test_a_checkpoint_of_another_model_is_discarded_if_any_may_be(saved):
    of_run(saved, model="glove", strata=4).discard_stale()
    assert names(saved) == set()


def test_arrays_that_no_record_names_are_deleted_when_the_next_are_saved(saved):
    (saved / "checkpoint.json").unlink()
    of_run(saved, model="sgns", snapshot="second").save(Position(items=9), {}, {})
    assert names(saved) == {"checkpoint.json", "state-9.safetensors"}


def test_a_finished_run_leaves_nothing_of_those_that_were_killed_before(saved):
    (saved / "checkpoint.json").unlink()
    (saved / "checkpoint.unfinished").touch()
    of_run(saved, model="sgns", snapshot="second").remove()
    assert names(saved) == set()

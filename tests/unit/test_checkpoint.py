"""The folder of an unfinished run's state: whose it is, and what is deleted of it when."""

from embtrain.checkpoint import Checkpoint
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

"""Leases: who may begin while others are at work on a snapshot."""

import json
import os
import threading
import time
from contextlib import ExitStack

import pytest

from embtrain import lease
from embtrain.errors import SetupError
from embtrain.lease import EXPIRY_SECONDS, held
from embtrain.storage import Location


@pytest.fixture
def location(tmp_path):
    return Location.of(tmp_path)


def names(tmp_path):
    return [path.name for path in tmp_path.iterdir()]


def leave_a_lease(tmp_path, *, seconds_ago, name=".lease-0123.json", exclusive=False):
    """Write what a run leaves that is killed."""
    path = tmp_path / name
    values = {"holder": "embtrain train", "host": "elsewhere", "process": 7, "since": "noon", "exclusive": exclusive}
    path.write_text(json.dumps(values))
    then = time.time() - seconds_ago
    os.utime(path, (then, then))


def test_a_lease_is_a_file_while_it_is_held(location, tmp_path):
    with held(location, "embtrain prepare"):
        (name,) = names(tmp_path)
        assert name.startswith(".lease-")
    assert names(tmp_path) == []


def test_a_lease_ends_with_an_error_too(location, tmp_path):
    with pytest.raises(ZeroDivisionError), held(location, "embtrain prepare"):
        raise ZeroDivisionError
    assert names(tmp_path) == []


def test_shared_leases_are_held_together(location, tmp_path):
    with held(location, "embtrain prepare"), held(location, "embtrain train"):
        assert len(names(tmp_path)) == 2


@pytest.mark.parametrize(("first", "second"), [(False, True), (True, False), (True, True)])
def test_next_to_an_exclusive_lease_there_is_no_other(location, tmp_path, first, second):
    with held(location, "embtrain train wiki", exclusive=first), ExitStack() as stack:
        with pytest.raises(SetupError, match=rf"in use by embtrain train wiki \(process {os.getpid()} on .*wait"):
            stack.enter_context(held(location, "other", exclusive=second))
        assert len(names(tmp_path)) == 1


def test_the_lease_of_a_run_that_was_killed_expires(location, tmp_path):
    leave_a_lease(tmp_path, seconds_ago=EXPIRY_SECONDS + 5)
    with held(location, "embtrain prune", exclusive=True):
        assert ".lease-0123.json" not in names(tmp_path)


def test_until_it_expires_it_stands_in_the_way(location, tmp_path):
    leave_a_lease(tmp_path, seconds_ago=EXPIRY_SECONDS - 60)
    with pytest.raises(SetupError, match="process 7 on elsewhere, since noon"), held(location, "x", exclusive=True):
        pytest.fail("began")


def test_a_lease_dated_in_the_future_makes_no_other_expire(location, tmp_path):
    leave_a_lease(tmp_path, seconds_ago=0, exclusive=True)
    leave_a_lease(tmp_path, seconds_ago=-3600, name=".lease-4567.json")
    with pytest.raises(SetupError, match="process 7 on elsewhere"), held(location, "embtrain train"):
        pytest.fail("began")


def test_a_lease_is_renewed_while_it_is_held(location, tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "RENEWAL_SECONDS", 0.01)
    with held(location, "embtrain prepare"):
        (path,) = tmp_path.glob(".lease-*.json")
        os.utime(path, (0, 0))
        deadline = time.monotonic() + 10
        while path.stat().st_mtime == 0:
            assert time.monotonic() < deadline, "never renewed"
            time.sleep(0.01)


def test_a_lease_counts_while_a_file_system_has_deleted_it_and_not_yet_renamed_the_next(location, tmp_path):
    leave_a_lease(tmp_path, seconds_ago=20)
    renewed = tmp_path / ".lease-0123.json.4567.unfinished"
    (tmp_path / ".lease-0123.json").rename(renewed)
    renaming = threading.Timer(0.2, lambda: renewed.rename(tmp_path / ".lease-0123.json"))
    renaming.start()
    with pytest.raises(SetupError, match="process 7 on elsewhere"), held(location, "x", exclusive=True):
        pytest.fail("began")
    renaming.join()


def test_a_reader_goes_without_a_lease_where_it_cannot_write(tmp_path):
    with held(Location.of(tmp_path / "absent"), "embtrain train"):
        assert names(tmp_path) == []


def test_an_exclusive_lease_needs_a_folder_that_can_be_written_to(tmp_path):
    absent = Location.of(tmp_path / "absent")
    with pytest.raises(SetupError, match="cannot write to"), held(absent, "x", exclusive=True):
        pytest.fail("began")

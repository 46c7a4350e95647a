"""SIGTERM: what it raises, and when."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from embtrain.errors import TerminatedError, exit_code_of
from embtrain.termination import heeded

ENDED = TerminatedError("told to end")


def terminate():
    signal.raise_signal(signal.SIGTERM)


def test_without_grace_it_ends_at_once_what_is_under_way():
    with pytest.raises(TerminatedError), heeded(ENDED):
        terminate()


def test_an_error_that_the_end_became_on_its_way_is_told_as_the_end():
    def be_interrupted():
        try:
            terminate()
        except TerminatedError:
            raise OSError("connection lost") from None

    with pytest.raises(TerminatedError), heeded(ENDED):
        be_interrupted()


def test_who_does_not_ask_is_ended_when_the_grace_is_over():
    started = time.monotonic()
    with heeded(ENDED, grace_seconds=0.2):
        terminate()
        with pytest.raises(TerminatedError):
            time.sleep(60)
    assert 0.2 <= time.monotonic() - started < 30


def test_who_asks_in_time_ends_by_itself():
    with heeded(ENDED, grace_seconds=0.1) as is_told:
        assert not is_told()
        terminate()
        assert is_told()
        time.sleep(0.3)


def test_the_second_time_there_is_no_grace():
    with heeded(ENDED, grace_seconds=60):
        terminate()
        with pytest.raises(TerminatedError):
            terminate()


def test_what_has_ended_in_time_is_not_ended_later():
    with heeded(ENDED, grace_seconds=0.1):
        terminate()
    time.sleep(0.3)


def test_handlers_are_afterwards_as_they_were():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGALRM)
    with heeded(ENDED):
        pass
    assert before == (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGALRM))


def test_in_a_thread_which_gets_no_signals_nothing_is_heeded():
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(heeded(ENDED).__enter__).result()() is False


def test_the_exit_code_is_that_of_a_shell_for_sigterm():
    assert exit_code_of(ENDED) == 143

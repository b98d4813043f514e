"""The thread that delivers: whatever fails, it goes on."""

import threading

import pytest

from bandstand.errors import StorageError, Unavailable
from bandstand.opensearch.relay import RelayThread


class Machine:
    """An outbox and its relay in one, which fail when the test says so."""

    def __init__(self, *, step=None, clear=None):
        self.failures = {"step": step, "clear": clear}
        self.delivered = threading.Event()
        self.cleared: list[float] = []

    def claim(self):
        return True

    def waiting(self):
        raise StorageError("the disk is full")

    def _fail(self, what):
        error, self.failures[what] = self.failures[what], None
        if error is not None:
            raise error

    def step(self):
        self._fail("step")
        if all(error is None for error in self.failures.values()):
            self.delivered.set()
        return 0

    def clear(self, before):
        self._fail("clear")
        self.cleared.append(before)


class Clock:
    """A minute later whenever it is asked, so that every round looks for old rows."""

    def __init__(self):
        self.now = 1e6

    def __call__(self):
        self.now += 60.0
        return self.now


@pytest.mark.parametrize("what", ["step", "clear"])
@pytest.mark.parametrize("error", [StorageError("the disk is full"), Unavailable("away"), KeyError("unforeseen")])
def test_it_delivers_again_after_a_failure(what, error):
    machine = Machine(**{what: error})
    thread = RelayThread(machine, machine, Clock(), poll_s=0.001)
    assert machine.delivered.wait(20)
    thread.stop()
    assert machine.failures == {"step": None, "clear": None}


def test_old_rows_are_dropped_once_a_minute_and_an_hour_after_they_were_logged():
    machine, times = Machine(), iter([0.0, 59.0, 60.0, 100.0, 121.0, *[121.0] * 10_000])
    thread = RelayThread(machine, machine, lambda: next(times), poll_s=1e-6)
    while len(machine.cleared) < 2:
        machine.delivered.wait(1)
    thread.stop()
    assert machine.cleared == [60.0 - 3_600, 121.0 - 3_600]

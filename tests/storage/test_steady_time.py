"""Time that does not jump: corrections are followed, leaps are not, and what is remembered keeps its strength."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from bandstand.steady_time import SteadyClock
from bandstand.types.times import DAY_S, HOUR_S
from tests.support.small_home import NOW, SmallHome


class Machine:
    """A clock on the wall, and the seconds that really pass."""

    def __init__(self):
        self.wall, self.elapsed = NOW, 10.0
        self.steady = SteadyClock(lambda: self.wall, lambda: self.elapsed)

    def pass_(self, seconds):
        self.wall, self.elapsed = self.wall + seconds, self.elapsed + seconds


@pytest.fixture
def machine():
    return Machine()


def test_it_is_the_time_of_day(machine):
    machine.pass_(400 * DAY_S)
    assert machine.steady() == NOW + 400 * DAY_S
    assert machine.steady.jump_s == 0


@pytest.mark.parametrize("step", [HOUR_S, -HOUR_S, 2 * DAY_S, -DAY_S])
def test_corrections_are_followed(machine, step):
    machine.wall += step
    assert machine.steady() == NOW + step


@pytest.mark.parametrize("jump", [400 * DAY_S, -400 * DAY_S])
def test_a_leap_is_not_and_is_told_once(machine, jump):
    machine.wall += jump
    with capture_logs() as logs:
        assert machine.steady() == NOW
        machine.pass_(60)
        assert machine.steady() == NOW + 60
    assert machine.steady.jump_s == jump
    assert [log["event"] for log in logs] == ["clock_jumped"]
    assert "400 days, 0:00:00" in logs[0]["reason"]
    machine.wall -= jump
    assert (machine.steady(), machine.steady.jump_s) == (NOW + 60, 0)


def test_what_is_remembered_is_as_strong_as_before_once_the_clock_is_right_again(tmp_path, machine):
    small = SmallHome(tmp_path / "home")
    small.clock = machine.steady
    small.close()
    small.options = small.options.__class__(clock=machine.steady, new_id=small.options.new_id)
    small.reopen()
    for user in ("ann", "bob"):
        small.play("hurt-cash", on=small.search("sad tune", user=user))
    small.learn()
    before = small.storage.memory.query_rows("sad tune")
    machine.wall += 400 * DAY_S
    small.play("hurt-nin", on=small.search("another tune", user="ann"))
    small.play("hurt-cash", on=small.search("sad tune", user="carl"))
    small.learn()
    machine.wall -= 400 * DAY_S
    (row,) = (row for row in small.storage.memory.query_rows("sad tune", now=machine.steady()) if row.shared)
    (was,) = (row for row in before if row.shared)
    assert row.plays == pytest.approx(was.plays + 1)
    small.close()

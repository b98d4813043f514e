"""A log of the test's own, and what to write into it; the log itself is always the real one."""

from __future__ import annotations

import pytest

from bandstand.feedback.sqlite_log import SqliteLog
from tests.support.log_records import NOW, event, impression, same


@pytest.fixture
def log(tmp_path):
    with SqliteLog(tmp_path / "log.sqlite", clock=lambda: NOW) as opened:
        yield opened


@pytest.fixture(scope="session")
def make():
    """The builders of `log_records`."""

    class Make:
        now = NOW
        impression = staticmethod(impression)
        event = staticmethod(event)
        same = staticmethod(same)

    return Make

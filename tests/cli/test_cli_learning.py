"""`bandstand learning`: an operator pauses it, lets it go on, and takes a stretch of the log out of it."""

from __future__ import annotations

import pytest

from bandstand.cli.common import opened
from bandstand.types import Event


@pytest.fixture
def clicked(cli, home):
    """A home in which something was searched for and clicked."""
    found = cli("search", "halo", "--user", "ann", "--json").json()
    assert cli("click", found["query_id"], 1, "--json").json()["learned"] is True
    return found["query_id"]


def test_a_pause_is_told_and_ends(cli, clicked):
    paused = cli("learning", "pause", "--json").json()
    assert (paused["paused"], paused["done"], paused["waiting"]) == (True, True, 0)
    assert cli("click", clicked, 2, "--json").json()["learned"] is False
    shown = cli("learning", "status").out
    assert "learning is paused: 1 log entries wait" in shown
    assert "paused, 1 log entries wait" in cli("doctor").out
    resumed = cli("learning", "resume", "--json").json()
    assert (resumed["paused"], resumed["waiting"]) == (False, 0)


@pytest.mark.usefixtures("clicked")
def test_a_stretch_is_forgotten_after_a_yes(cli):
    words = ("learning", "forget", "--since", "2020-01-01", "--user", "ann")
    assert cli(*words).code == 1  # nobody is there to be asked
    with opened(None) as music:
        assert music.platform.storage.memory.knows("ann")
    assert cli(*words, "--yes", "--json").json() == {"forgotten": 2, "done": True}
    with opened(None) as music:
        assert not music.platform.storage.memory.knows("ann")
        assert music.platform.storage.log.count() == 0
        assert music.platform.storage.memory.query_rows("halo")  # what the catalogue predicts
    assert cli(*words, "--json").json() == {"forgotten": 0, "done": True}


@pytest.mark.usefixtures("clicked")
def test_what_cannot_be_forgotten_exactly_is_refused(cli, monkeypatch):
    assert cli("learning", "forget", "--since", "soon").code == 2
    monkeypatch.setenv("BANDSTAND_KEEP_LOG_DAYS", "30")
    refused = cli("learning", "forget", "--since", "2020-01-01")
    assert refused.code == 2
    assert "keep_log_days" in refused.err


@pytest.mark.usefixtures("clicked")
def test_what_nobody_vouches_for_is_listed_by_claimant(cli):
    assert "nothing was claimed" in cli("learning", "claims").out  # the operator's own clicks are vouched for
    with opened(None) as music:
        storage = music.platform.storage
        storage.log.append_events([Event(id="e", action="click", time=storage.clock(), claimant="c" * 16)])
    (found,) = cli("learning", "claims", "--json").json()["claims"]
    assert (found["claimant"], found["events"], found["refused"], found["flags"]) == ("c" * 16, 1, 1, [])
    assert "c" * 16 in cli("learning", "claims").out
    forgotten = cli("learning", "forget", "--since", "2020-01-01", "--claimant", "c" * 16, "--yes", "--json").json()
    assert forgotten == {"forgotten": 1, "done": True}

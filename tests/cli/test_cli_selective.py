"""`selective` and `ablate` from the command line: what cannot be done is refused, naming the remedy."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["selective", "spotify", "nowhere", "--target", "speed=1"], "quality=0.99 or cost=0.1"),
        (["selective", "nothing", "nowhere"], "no data set"),
        (["selective", "spotify", "nowhere", "--policies", "all"], "decide nothing"),
        (["selective", "spotify", "nowhere", "--recorded", "0"], "must be in (0, 1]"),
        (["selective", "spotify", "nowhere", "--option", "groups=9"], "its one is experiment"),
        (["selective", "lastfm", "nowhere", "--option", "groups"], "write NAME=VALUE"),
        (["replay", "lastfm", "nowhere", "--option", "group=9"], "use one of end, fresh, groups"),
        (["replay", "lastfm", "nowhere", "--option", "groups=many"], "groups cannot be 'many'"),
        (["ablate", "--share", "2"], "share must be"),
    ],
)
def test_what_cannot_be_done_is_refused(cli, arguments, says):
    ended = cli(*arguments)
    assert ended.code == 2
    assert says in ended.err.replace("\n", " ")


@pytest.mark.usefixtures("home")
def test_logged_searches_are_recorded_once(cli):
    for _ in range(2):
        assert cli("search", "hello", "--json").code == 0
    assert cli("ablate", "--json").json() == {"recorded": 2}
    assert cli("ablate", "--json").json() == {"recorded": 0}
    assert "2 searches recorded" not in cli("ablate").out

"""`bandstand users`: a person is given what is held of them, line by line or as one document."""

from __future__ import annotations

import json

import pytest

from bandstand.cli.common import opened


@pytest.mark.usefixtures("home")
def test_what_is_held_of_a_user(cli):
    with opened(None) as music:
        music.search("halo", user="ana")[0].click()
        music.search("hurt", user="bo")[0].click()
        music.learn()
    lines = [json.loads(line) for line in cli("users", "export", "ana").out.splitlines()]
    assert [line["what"] for line in lines] == ["search", "event", "query", "choice", "derived", "derived"]
    assert lines[0]["user_query"] == "halo"
    assert {lines[at]["entity"]["id"] for at in (2, 3)} == {lines[1]["event_attributes"]["object"]["object_id"]}
    assert cli("users", "export", "ana", "--json").json() == {"user_id": "ana", "held": lines}
    nobody = cli("users", "export", "nobody")
    assert (nobody.code, nobody.out) == (0, "")

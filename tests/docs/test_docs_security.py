"""docs/security.md: its commands work, its examples give what they say, its scopes are those of the code."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path

from bandstand.access.scopes import SCOPES
from bandstand.api.scopes import NEEDED, OPEN
from bandstand.app.personal import PLACES
from bandstand.settings import Settings
from tests.support.cli_world import Cli

PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text()


def plain(route: str) -> str:
    """A route as people write it."""
    return re.sub(r":\w+\}", "}", route)


def test_its_commands_work_one_after_another(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("BANDSTAND_HOME", str(tmp_path / "home"))
    cli = Cli(monkeypatch, capsys)
    lines = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
    assert len(lines) > 5
    for line in lines:
        program, *words = shlex.split(line)
        ended = cli(*words)
        assert (program, ended.code) == ("bandstand", 0), ended.err
    names = {key["name"] for key in cli("keys", "list", "--json").json()["keys"]}
    assert names == {"backend", "jazz-club", "prometheus", "anonymous"}


def test_its_python_gives_what_it_says():
    examples = doctest.DocTestParser().get_doctest(PAGE, {}, "security.md", None, 0)
    assert examples.examples
    assert doctest.DocTestRunner().run(examples).failed == 0


def test_its_scopes_are_those_of_the_code():
    keys = PAGE.partition("## Keys")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `([a-z:]+)` \| (.*) \|$", keys, re.MULTILINE))
    assert rows.keys() == SCOPES.keys()
    for scope, what in SCOPES.items():
        assert rows[scope].startswith(what)
        assert re.findall(r"`([A-Z]+ [^`]+)`", rows[scope]) == [plain(route) for route in NEEDED.get(scope, ())]
    (named,) = re.findall(r"Anybody may ask for (.*)\.\n", PAGE)
    assert re.findall(r"`([^`]+)`", named) == [plain(route) for route in OPEN]


def test_what_is_known_of_people_is_what_the_register_says():
    section = PAGE.partition("## What is known of people")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+) \| (.+) \| (.+) \| (.+) \|$", section, re.MULTILINE)[2:]
    where = {"table": "table", "database": "memory", "state": "memory, state", "index": "index", "file": "file"}
    assert rows == [
        (f"{where[place.kind]} `{place.name}`" if place.kind in where else f"process: {place.name}",
         place.holds, place.kept, place.goes)
        for place in PLACES if place.holds
    ]  # fmt: skip


def test_the_hosts_that_it_calls_this_machine_are():
    for host in ("127.0.0.1", "::1", "localhost"):
        assert Settings(host=host).local
    for host in ("0.0.0.0", "::", "", "10.0.0.1", "example.org", "127.0.0.1.example.org"):
        assert not Settings(host=host).local

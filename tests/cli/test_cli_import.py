"""`bandstand import`: a home that starts warm by another system's log, whatever cuts the import off."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bandstand.app.options import Options
from bandstand.app.platform import Platform
from bandstand.replay import importing
from bandstand.settings import load_settings

pytestmark = pytest.mark.slow

START = 1_700_000_000
MAPPED = ("time=ts", "query=q", "user=uid", "clicked=track", "dwell=s")
WANTED = (("my song", "one"), ("sad country", "hurt"), ("blue", "so-what"))


def log_of(path: Path, count: int = 24) -> Path:
    """Searches of three people, each followed by what was chosen; every eighth leads to an entity of elsewhere."""
    lines = ["ts,q,uid,track,s"]
    for number in range(count):
        query, entity = WANTED[number % 3]
        time, user = START + 300 * number, f"u{number % 4}"
        lines += [f"{time},{query},{user},,", f"{time + 5},{query},{user},{'gone' if number % 8 == 7 else entity},40"]
    path.write_text("\n".join([*lines, "never,my song,u1,one,"]) + "\n")
    return path


def mapped():
    return [word for each in MAPPED for word in ("--map", each)]


def state(home: Path):
    """What was learned and logged, but for what only the training afterwards says."""
    with Platform(load_settings(home=home), Options()) as platform:
        storage = platform.storage
        learned = {query: storage.memory.query_rows(query, now=START + 9_000.0) for query, _ in WANTED}
        own = dict(storage.memory.scan(b"bandit/"))
        return learned, own, storage.log.count("impression"), storage.log.count("event")


@pytest.fixture
def imported(cli, home, tmp_path):
    """A home into which the log was imported, and what the command reported."""
    return home, cli("import", log_of(tmp_path / "log.csv"), *mapped(), "--json").json()


def test_a_log_makes_a_home_start_warm(cli, imported, tmp_path):
    home, report = imported
    assert {name: report[name] for name in ("rows", "rejected", "searches", "answered")} == {
        "rows": 49, "rejected": 1, "searches": 24, "answered": 24,
    }  # fmt: skip
    assert {name: report[name] for name in ("actions", "learned", "unknown", "unknown_ids")} == {
        "actions": 21, "learned": 21, "unknown": 3, "unknown_ids": ["gone"],
    }  # fmt: skip
    assert "line 50" in report["reasons"][0]
    for query, entity in WANTED:  # in no field of what they mean
        found = cli("search", query, "--policy", "memory", "--json").json()
        assert found["hits"][0]["entity_id"] == entity
    assert cli("models", "list", "--json").json()["ranker"]["current"] == report["ranker"]
    refused = cli("ope", "--policy", "all-dense")  # three searches were made here, and by the memory alone
    assert "3 rounds" in refused.out
    again = cli("import", tmp_path / "log.csv", *mapped(), "--json").json()
    assert (again["answered"], again["learned"], again["actions"]) == (0, 0, 21)
    assert not (home / "import.json").exists()


@pytest.mark.parametrize("killed_at", ["logged", "learned"])
def test_an_import_that_is_cut_off_goes_on_and_nothing_is_learned_twice(cli, built, tmp_path, monkeypatch, killed_at):
    log = log_of(tmp_path / "log.csv")
    homes = [shutil.copytree(built, tmp_path / name) for name in ("whole", "home")]
    monkeypatch.setattr(importing, "_AT_ONCE", 10)
    words = ("import", log, *mapped(), "--answered", "9", "--json")
    whole = cli(*words, "--home", homes[0]).json()
    with monkeypatch.context() as patch:
        patch.setattr(importing, *_killed(killed_at))
        assert cli(*words, "--home", homes[1]).code == 1
    resumed = cli(*words, "--home", homes[1]).json()
    now_and_before = ("answered", "learned", "ranker")  # what was logged when it was cut off, it did not live to count
    assert {name: resumed[name] for name in resumed if name not in now_and_before} == {
        name: whole[name] for name in whole if name not in now_and_before
    }
    assert state(homes[1]) == state(homes[0])


def _killed(where):
    """What ends an import at its second commit: after its log, and before or after its position is stored."""
    calls, write = [], importing.write_file

    def interrupted(path, content):
        calls.append(path)
        if where == "learned" or len(calls) < 2:
            write(path, content)
        if len(calls) == 2:
            raise ZeroDivisionError("killed")

    return "write_file", interrupted


def test_a_mapping_may_stand_in_the_homes_file(cli, home, tmp_path):
    (home / "bandstand.toml").write_text('[import_map]\ntime = "ts"\nclicked = "track"\n')
    shown = cli("import", log_of(tmp_path / "log.csv", 8), "--answered", "0")
    assert shown.code == 0, shown.err
    assert "7 actions were new and are learned; 0 searches were answered anew" in shown.out
    assert "1 actions are on entities that the catalogue lacks, e.g. gone" in shown.out


def test_a_log_of_another_catalogue_exits_1_and_names_its_ids(cli, home, tmp_path):
    (tmp_path / "log.ndjson").write_text(json.dumps({"t": START, "q": "halo", "song": "x1"}) + "\n")
    ended = cli("import", tmp_path / "log.ndjson", "--map", "time=t", "--map", "query=q", "--map", "clicked=song")
    assert ended.code == 1
    assert "e.g. x1" in ended.out
    wrong = cli("import", tmp_path / "log.ndjson", "--map", "time=when", "--map", "query=q")
    assert wrong.code == 2
    assert "which is no column" in wrong.err

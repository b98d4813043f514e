"""`bandstand replay` and `compare` on a home's own log and catalogue, and on a single file of a log from elsewhere."""

from __future__ import annotations

import json

import pytest

from bandstand.cli.common import opened

pytestmark = pytest.mark.slow


@pytest.fixture
def used(home):
    """A home in which six searches found something that was chosen, and one nothing."""
    with opened(None) as music:
        for query in ("halo", "hurt", "hello", "so what", "one u2", "beyonce"):
            music.search(query, user="ana", policy="all")[0].click()
        music.search("later", policy="all")
    return home


@pytest.mark.usefixtures("used")
def test_the_homes_own_log_is_replayed_without_a_folder_to_prepare(cli, tmp_path):
    kept = ("--policies", "all", "--folder", tmp_path / "run", "--json", tmp_path / "out.json")
    assert cli("replay", *kept).code == 0
    found = json.loads((tmp_path / "out.json").read_text())
    assert (found["dataset"], found["n_searches"], found["rejected"]) == ("home", 6, {"rows": 0, "reasons": []})
    assert found["policies"]["all"]["metrics"]["MRR@10"]["value"] > 0.9  # the first hits were chosen
    assert found["settings"]["platform"]["encoder"] == "hashing"
    cli("search", "later")
    assert cli("replay", *kept).code == 0  # an interrupted run goes on with the log as it was
    assert json.loads((tmp_path / "out.json").read_text())["data_sha256"] == found["data_sha256"]


@pytest.mark.usefixtures("used")
def test_two_policies_are_compared_on_the_homes_own_log(cli, tmp_path):
    shown = cli("compare", "all", "lexical", "--json", tmp_path / "out.json")
    assert shown.code == 0, shown.err
    found = json.loads((tmp_path / "out.json").read_text())
    assert {row["policy"] for row in found["differences"]} == {"lexical less all"}
    assert all(row["cost_ms"] < 0 for row in found["differences"])
    assert any("6 searches" in why or "users" in why for why in found["warnings"])  # too few for a verdict


@pytest.mark.usefixtures("home")
def test_a_single_log_is_played_on_the_homes_catalogue_and_its_bad_rows_are_told(cli, tmp_path):
    path = tmp_path / "searches.csv"
    path.write_text(
        "time,query,user,clicked\n2024-05-01T10:00:00Z,halo,ana,halo\n2024-05-01,hurt,bo,\n2024-05-02T10:00:00Z,one,bo,one\n"
    )
    shown = cli("replay", "generic", path, "--policies", "all")
    assert shown.code == 0, shown.err
    assert "generic: 2 searches" in shown.out
    assert "1 rows could not be used:\n- 1 × clicked is empty (first: line 3: {'time': '2024-05-01'" in shown.out


@pytest.mark.usefixtures("home")
def test_a_home_that_nobody_searched_says_so(cli, tmp_path):
    ended = cli("replay")
    assert ended.code == 2
    assert "nothing was searched" in ended.err
    named = cli("replay", "lastfm")
    assert named.code == 2
    assert "leave both out" in named.err

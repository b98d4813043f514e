"""`bandstand ope` on the log of a home, and on what that home exports."""

from __future__ import annotations

import shutil

import pytest


@pytest.fixture
def searched(cli, built, made_once, tmp_path):
    """A home in which every query was asked under the policy that explores most, and some hits were chosen."""

    def search(folder):
        shutil.copytree(built, folder)
        for number in range(12):
            asked = ("halo", "hurt", "adele hello")[number % 3]
            found = cli("search", asked, "--policy", "random", "--json", "--home", folder).json()
            if number % 2 and found["hits"]:
                assert cli("click", found["query_id"], 1, "--home", folder).code == 0

    return shutil.copytree(made_once("cli-searched", search), tmp_path / "home")


@pytest.mark.usefixtures("searched")
@pytest.mark.parametrize("policy", ["bandit", "random", "lexical+memory"])
def test_the_homes_own_log(cli, policy):
    found = cli("ope", "--policy", policy, "--json").json()
    assert found["dataset"] == "the log of this home"
    assert (found["policy"], found["rounds"]) == (policy, 12)
    assert len(found["data_sha256"]) == 64
    assert found["policies"]["as logged"]["cost_ms"] > 0
    assert not found["verdict"]["enough"]  # twelve searches are few


@pytest.mark.usefixtures("searched")
@pytest.mark.parametrize(("form", "ending"), [("ubi", "ndjson"), ("dsjson", "dsjson")])
def test_an_export_says_the_same_as_the_log(cli, tmp_path, form, ending):
    path = tmp_path / f"log.{ending}"
    assert cli("export", path, "--format", form).code == 0
    ours, theirs = (cli("ope", *log, "--policy", "random", "--json").json() for log in ([], [path]))
    assert theirs["rounds"] == ours["rounds"]
    assert theirs["logged"]["value"] == pytest.approx(ours["logged"]["value"])
    assert theirs["estimates"]["ipw"]["value"] == pytest.approx(ours["estimates"]["ipw"]["value"])


@pytest.mark.usefixtures("searched")
def test_an_exported_dictionary_is_asked_by_retriever(cli, tmp_path):
    path = tmp_path / "log.npz"
    assert cli("export", path, "--format", "obp").code == 0
    refused = cli("ope", path, "--policy", "bandit")
    assert refused.code == 2
    assert "choose one by --arm" in refused.err
    assert cli("ope", path, "--arm", "dense", "--policy", "bandit", "--json").json()["arms"] == ["action"]


def test_an_unknown_policy_and_an_empty_log_exit_2(cli, home):
    assert cli("ope", "--policy", "nobody").code == 2
    empty = cli("ope", "--policy", "random")
    assert empty.code == 2
    assert "no search of the log can be used" in empty.err


@pytest.mark.usefixtures("searched")
def test_the_homes_log_is_graded_as_learning_grades_it(cli, monkeypatch):
    monkeypatch.setenv("BANDSTAND_REWARD_MODEL", "clicks")
    searches = cli("ope", "--policy", "random", "--json").json()
    table = cli("estimates", "--json").json()
    logged = next(row for row in table["policies"] if row["policy"] == "as logged")
    clicked = searches["logged"]["value"] * searches["rounds"]
    assert clicked == pytest.approx(round(clicked))  # a click alone is worth 1, a search without 0
    assert clicked >= 1
    assert logged["value"] == pytest.approx(searches["logged"]["value"])


def test_judged_queries_are_measured(cli, home, tmp_path):
    (tmp_path / "judged.csv").write_text("query,entity_id,class\nhalo,halo,title\nhurt,nowhere,title\n")
    found = cli("evaluate", tmp_path / "judged.csv", "--policies", "lexical,bandit", "--json").json()
    assert (found["queries"], found["unknown"]) == (2, 1)
    assert found["rankings"]["lexical"]["metrics"]["MRR@10"]["value"] == pytest.approx(0.5)
    shown = cli("evaluate", tmp_path / "judged.csv").out
    assert "2 judged queries" in shown
    assert "1 relevant entities are not in the catalogue" in shown
    assert cli("ope", "--policy", "random").code == 2  # nothing was logged

"""`bandstand ope` on every format, and on what is wrong with logs: an error or a marked row, never a silent NaN."""

from __future__ import annotations

import json
from importlib.resources import files

import jsonschema_rs
import numpy as np
import pytest
from typer.testing import CliRunner

from bandstand.bandit.policy import RandomSubsetPolicy
from bandstand.cli.main import app
from bandstand.errors import BadInput
from bandstand.replay.ope.sources import read_log
from bandstand.replay.report.page import render

SCHEMA = files("bandstand.replay.report") / "result.schema.json"
VALID = jsonschema_rs.validator_for(json.loads(SCHEMA.read_text()))
DEPTHS = (0, 10, 50, 200)
START = 1_700_000_000


def search(number: int, **changes: object) -> dict[str, object]:
    """A search as `bandstand export` writes it: one retriever explored, uniformly."""
    depth = DEPTHS[number * 7 % 4]
    arm = {"arm": "dense", "depth": depth, "propensity": 0.25, "probabilities": [0.25] * 4, "context": {"bias": 1.0}}
    own = {"policy": "random", "version": "1", "arms": [arm | changes], "outcomes": [["dense", 3, 0.1 * depth, "ok"]],
           "models": {}, "ranking": ["a", "b"], "ordinals": [0, 1], "scores": [2.0, 1.0], "took_ms": 1.0,
           "corrected": None}  # fmt: skip
    attributes = {"k": 10, "offset": 0, "shown": 2, "kinds": [], "filters": [], "year": [None, None],
                  "normalized": "abba", "slots": [], "user_id": f"u{number}", "session_id": None, "locale": None,
                  "bandstand": own}  # fmt: skip
    return {"application": "bandstand", "query_id": f"q{number}", "client_id": f"u{number}", "user_query": "abba",
            "timestamp": (START + 100 * number) * 1000, "query_response_id": f"q{number}",
            "query_response_hit_ids": ["a", "b"], "query_attributes": attributes}  # fmt: skip


def play(number: int, *, at: object = None, event: str | None = None) -> dict[str, object]:
    return {"action_name": "play", "event_id": event or f"e{number}", "query_id": f"q{number}",
            "timestamp": (START + 100 * number + 5) * 1000 if at is None else at,
            "event_attributes": {"object": {"object_id": "a"}, "play_seconds": 60}}  # fmt: skip


@pytest.fixture
def written(tmp_path):
    def write(documents):
        path = tmp_path / "log.ndjson"
        path.write_text("\n".join(json.dumps(document) for document in documents))
        return path

    return write


@pytest.fixture
def ope(tmp_path, monkeypatch):
    """Runs `bandstand ope`; the JSON that it prints has the fixed shape and is free of NaN."""
    monkeypatch.setenv("BANDSTAND_HOME", str(tmp_path / "home"))

    def run(*words):
        done = CliRunner().invoke(app, ["ope", *map(str, words), "--json"], catch_exceptions=False)
        assert "NaN" not in done.output
        found = json.loads(done.output)
        VALID.validate(found)
        return found

    return run


def honest(count: int = 400) -> list[dict[str, object]]:
    return [search(n) for n in range(count)] + [play(n) for n in range(count) if n % 3]


def test_an_honest_log_is_answered_in_the_fixed_shape(written, ope, tmp_path):
    page = tmp_path / "report.html"
    found = ope(written(honest()), "--policy", "random", "--report", page)
    assert found["verdict"]["enough"]
    assert list(found["policies"]) == ["as logged", "random"]
    assert found["policies"]["random"]["metrics"]["reward"]["value"] == pytest.approx(
        found["logged"]["value"], abs=0.01
    )
    assert found["policies"]["as logged"]["cost_ms"] == pytest.approx(0.1 * 65)
    assert "Off-policy evaluation" in page.read_text()
    assert found["answer"] in page.read_text()


def test_the_text_says_every_diagnostic(written, tmp_path, monkeypatch):
    monkeypatch.setenv("BANDSTAND_HOME", str(tmp_path / "home"))
    done = CliRunner().invoke(app, ["ope", str(written(honest())), "--policy", "dense"], catch_exceptions=False)
    for what in ("effective sample size", "weights: mean", "overlap", "reward model", "sum of 1 / p", "verdict",
                 "valid at any time", "as logged", "snipw", "ipw_clipped", "sg_ipw", "replay_method"):  # fmt: skip
        assert what in done.output, what


def test_no_home_is_made_for_a_policy_that_needs_none(written, ope, tmp_path):
    ope(written(honest()), "--policy", "lexical+dense")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("wrong", [0.0, -0.1, 1.5])
def test_propensities_that_cannot_be_are_left_out_and_counted(written, ope, wrong):
    documents = [*honest(), *(search(n, propensity=wrong) for n in range(1000, 1050))]
    found = ope(written(documents), "--policy", "random")
    assert found["rounds"] == 400
    assert found["left_out"] == {"propensity outside (0, 1]": 50}
    assert not found["verdict"]["enough"]
    assert any("50 of 450 rounds could not be used" in line for line in found["refused"])


def test_equal_rewards_are_refused(written, ope):
    found = ope(written([search(n) for n in range(400)]), "--policy", "dense")
    assert "every reward is 0" in found["answer"]
    assert found["answer"].startswith("Not enough data")
    assert "nan" not in render(found).lower()


def test_repeated_searches_and_events_count_once(written, ope):
    documents = honest()
    again = [search(0), search(1), play(1), play(2)]
    found = ope(written([*documents, *again]), "--policy", "random")
    assert found["rounds"] == 400
    assert found["left_out"] == {"repeated query id": 2}
    assert found["unused"]["with an id that was there before"] >= 2
    assert found["logged"]["value"] == pytest.approx(ope(written(documents), "--policy", "random")["logged"]["value"])


def test_clicks_before_their_search_and_of_no_search_are_marked(written, ope):
    early, late = play(3, at=(START - 900) * 1000, event="early"), play(4, at=(START + 9999) * 1000, event="late")
    stray, timeless = play(9999, event="stray"), play(6, at="", event="timeless")
    found = ope(written([*honest(), early, late, stray, timeless]), "--policy", "random")
    assert found["unused"] == {
        "before their search": 1,
        "more than 1800 s after their search": 1,
        "of no search in the file": 1,
        "without a time": 1,
    }
    assert any("4 events were not counted" in line for line in found["refused"])


def test_mixed_time_zones_are_one_time(written, ope):
    """The same moments written in UTC, with an offset, and as milliseconds; without a zone it is UTC."""
    moments = ("2023-11-14T22:13:25Z", "2023-11-15T03:43:25+05:30", "2023-11-14T22:13:25", (START + 5) * 1000)
    values = [ope(written([*honest(40), play(0, at=at, event="z")]), "--policy", "random")["logged"] for at in moments]
    assert all(value == values[0] for value in values)
    assert values[0]["value"] > ope(written(honest(40)), "--policy", "random")["logged"]["value"]


def test_the_order_of_the_lines_does_not_matter(written, ope):
    documents = honest(60)
    assert (
        ope(written(documents), "--policy", "random")["logged"]
        == (ope(written([*documents[60:], *documents[:60]]), "--policy", "random")["logged"])
    )


@pytest.mark.parametrize("documents", [[], [play(1)]])
def test_nothing_to_evaluate_is_said(written, documents):
    with pytest.raises(BadInput, match="no search of the log can be used"):
        read_log(written(documents), "random", lambda _: RandomSubsetPolicy())


def test_a_log_of_one_policy_that_never_explored_is_refused(written, ope):
    fixed = {"depth": 200, "propensity": 1.0, "probabilities": [], "context": {}}
    documents = [search(n, **fixed) for n in range(300)] + [play(n) for n in range(0, 300, 2)]
    found = ope(written(documents), "--policy", "lexical")
    assert not found["verdict"]["enough"]
    assert found["verdict"]["rounds_needed"] is None
    assert "no number of rounds" in found["answer"]
    assert found["policies"]["lexical"]["metrics"]["reward"]["value"] is not None or "undefined" in json.dumps(found)


def dictionary(path, **changes):
    rng = np.random.default_rng(3)
    action = rng.integers(0, 4, 500)
    table = {"action": action, "reward": (rng.random(500) < 0.3).astype(float), "pscore": np.full(500, 0.25),
             "pi_b": np.full((500, 4), 0.25), "greedy": np.eye(4)[np.zeros(500, int)]} | changes  # fmt: skip
    np.savez(path, **{name: value for name, value in table.items() if value is not None})
    return path


@pytest.mark.parametrize("policy", ["random", "greedy"])
def test_an_obp_dictionary_is_read_as_it_is(tmp_path, ope, policy):
    found = ope(dictionary(tmp_path / "log.npz"), "--policy", policy)
    assert found["arms"] == ["action"]
    assert found["verdict"]["enough"]
    assert ("replay_method" in found["estimates"]) == (policy == "greedy")


@pytest.mark.parametrize(
    ("changes", "policy", "why"),
    [
        ({"pscore": np.zeros(500)}, "random", "outside"),
        ({"pscore": np.full(500, 1.5)}, "random", "outside"),
        ({"reward": None}, "random", "no reward"),
        ({"action": None}, "random", "no action"),
        ({}, "nobody", "does not say what 'nobody' does"),
        ({"greedy": np.full((500, 4), 0.5)}, "greedy", "sum of a distribution"),
        ({"reward": np.full(500, np.nan)}, "random", "not finite"),
    ],
)
def test_bad_dictionaries_say_why(tmp_path, changes, policy, why):
    with pytest.raises(BadInput, match=why):
        read_log(dictionary(tmp_path / "log.npz", **changes), policy, lambda _: None)


def test_the_open_bandit_dataset_is_read_with_the_uniform_policy(open_bandit, ope):
    men = ope(open_bandit / "bts" / "men" / "men.csv.gz", "--policy", "random")
    assert men["verdict"]["enough"]
    women = ope(open_bandit / "bts" / "women" / "women.csv.gz", "--policy", "random")
    assert women["answer"].startswith("Not enough data: the effective sample size is 2.1 of 10000 rounds")


def test_the_arm_of_an_exported_dictionary_must_be_chosen(tmp_path):
    path = tmp_path / "two.npz"
    np.savez(path, **{"dense/action": np.zeros(3), "trigram/action": np.zeros(3)})
    with pytest.raises(BadInput, match="dense, trigram: choose one by --arm"):
        read_log(path, "random", lambda _: None)
    other = tmp_path / "log.ndjson"
    other.write_text("")
    with pytest.raises(BadInput, match=r"for \.npz alone"):
        read_log(other, "random", lambda _: None, arm="dense")


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(BadInput, match="there is no file"):
        read_log(tmp_path / "none.ndjson", "random", lambda _: None)

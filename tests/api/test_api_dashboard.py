"""The dashboard's routes: numbers against what was done, edits that hold and are undone, traffic that is split."""

from __future__ import annotations

import pytest

from bandstand.api.metrics import Recorder
from bandstand.dashboard.sections import EXPLAINED
from tests.support.api_world import click, eventually, ids, problem, search, serving

KEY = {"X-Bandstand-Key": "open sesame"}


def charts(client, section="live", **parameters):
    answer = client.get(f"/v1/dashboard/charts/{section}", params=parameters).json()
    return {chart["name"]: chart for chart in answer["charts"]}


def last(line):
    """The sum over the last two steps: a minute may end in the middle of a test."""
    return sum(value or 0 for value in line[-2:])


def edit(client, expect=201, **fields):
    body = {"action": "pin", "query": "hello", "entity_id": "halo", **fields}
    response = client.post("/v1/dashboard/edits", json=body)
    return response.json()["id"] if expect == 201 else problem(response, expect)


class TestCharts:
    def test_what_was_done_is_on_them_at_once(self, client):
        for policy in ("lexical", "lexical", "all"):
            search(client, "hello", policy=policy)
        found = charts(client)
        assert last(found["searches"]["lines"]["searches"]) == pytest.approx(3 / 60)
        assert found["latency"]["lines"]["p99"][-1] is None or found["latency"]["lines"]["p99"][-1] > 0
        assert len(found["searches"]["places"]) == 60
        assert set(found) == {about.name for about in EXPLAINED["live"]}

    def test_they_outlive_the_process_and_add_up(self, home):
        for _ in range(2):
            with serving(home) as client:
                search(client, "hello")
        with serving(home) as client:
            assert last(charts(client)["searches"]["lines"]["searches"]) == pytest.approx(2 / 60)

    @pytest.mark.parametrize("section", list(EXPLAINED))
    @pytest.mark.parametrize("span", ["hour", "day", "week", "quarter"])
    def test_every_chart_can_be_drawn(self, reader, section, span):
        search(reader, "hello")
        for chart in charts(reader, section, span=span, pictures="dark").values():
            assert chart["svg"].startswith("<svg")
            assert "<script" not in chart["svg"]
            assert all(len(line) == len(chart["places"]) for line in chart["lines"].values())
            assert chart["how"]
            assert chart["unit"]

    def test_every_chart_is_explained(self, reader):
        explained = {about["name"] for about in reader.get("/v1/dashboard/explanations").json()["charts"]}
        assert explained > {about.name for section in EXPLAINED.values() for about in section}

    def test_the_ranker_goes_by_something(self, reader):
        assert sum(charts(reader, "models")["importance"]["lines"]["gain"]) > 50.0

    def test_an_unknown_section_or_span_is_refused(self, reader):
        problem(reader.get("/v1/dashboard/charts/money"), 422)
        problem(reader.get("/v1/dashboard/charts/live", params={"span": "eternity"}), 422)

    def test_a_file_that_is_not_ours_is_said_to_be(self, home):
        (home / "minutes.sqlite").write_bytes(b"not a database" * 100)
        with serving(home) as client:
            search(client, "hello")
            problem(client.get("/v1/dashboard/charts/live"), 503)

    def test_stopping_writes_what_was_counted_last(self, home):
        with serving(home) as client:
            recorder = client.app.state.recorder
            assert isinstance(recorder, Recorder)
            eventually(lambda: client.get("/v1/dashboard/charts/live").status_code == 200)
            search(client, "hello")
        with serving(home) as client:
            assert last(charts(client)["searches"]["lines"]["searches"]) > 0


class TestKey:
    @pytest.mark.parametrize(
        "path", ["charts/live", "explanations", "queries", "query?text=a", "edits", "experiments", "served"]
    )
    def test_reading_needs_it(self, home, path):
        with serving(home, admin_key=KEY["X-Bandstand-Key"]) as client:
            problem(client.get(f"/v1/dashboard/{path}"), 401)
            assert client.get(f"/v1/dashboard/{path}", headers=KEY).status_code == 200

    def test_anybody_may_ask_whether_a_key_opens(self, home, reader):
        assert reader.get("/v1/dashboard/access").json() == {"granted": True}
        with serving(home, admin_key=KEY["X-Bandstand-Key"]) as client:
            assert client.get("/v1/dashboard/access").json() == {"granted": False}
            assert client.get("/v1/dashboard/access", headers=KEY).json() == {"granted": True}


class TestEdits:
    def test_a_pin_holds_at_once_and_is_undone(self, client):
        made = edit(client, by="ops", note="campaign")
        assert ids(search(client, "Hello!", policy="all"))[0] == "halo"
        (record,) = client.get("/v1/dashboard/edits").json()["edits"]
        assert (record["id"], record["by"], record["note"], record["undone"]) == (made, "ops", "campaign", None)
        undone = client.post(f"/v1/dashboard/edits/{made}/undo")
        assert undone.json() == {"id": made, "carried_out": True}
        assert ids(search(client, "hello", policy="all"))[0] != "halo"
        assert client.get("/v1/dashboard/edits").json()["edits"][0]["undone"] is not None

    def test_it_survives_a_restart(self, home):
        with serving(home) as client:
            edit(client, action="block", entity_id="hello")
        with serving(home) as client:
            assert "hello" not in ids(search(client, "hello", policy="all"))

    def test_other_processes_obey_it_too(self, home):
        with serving(home) as learner:
            edit(learner)
            page = learner.get("/v1/dashboard/query", params={"text": "hello"}).json()
            assert [change["entity_id"] for change in page["edits"]] == ["halo"]
            assert page["searches"] == 0

    @pytest.mark.parametrize(
        ("fields", "status"),
        [
            ({"entity_id": "nobody"}, 404),
            ({"query": "  "}, 422),
            ({"action": "score"}, 422),
            ({"score": 0.5}, 422),
            ({"action": "score", "score": 1.5}, 422),
            ({"action": "love"}, 422),
            ({"colour": "red"}, 422),
        ],
    )
    def test_what_cannot_be_done_is_refused(self, reader, fields, status):
        edit(reader, expect=status, **fields)
        assert not reader.get("/v1/dashboard/edits").json()["edits"]

    def test_an_unknown_change_cannot_be_undone(self, reader):
        problem(reader.post("/v1/dashboard/edits/never/undo"), 404)


class TestQueries:
    def test_the_table_finds_what_several_users_asked(self, home):
        with serving(home, finalize_seconds=0.0, join_minutes=0.001) as client:
            for user in ("ann", "bob", "cyd"):
                found = search(client, "sad tune", user_id=user, policy="all")
                event = click(found["query_id"], found["hits"][0]["entity_id"], user_id=user)
                client.post("/v1/events", params={"wait": True}, json=event)
            eventually(lambda: client.get("/v1/dashboard/queries").json()["total"] == 1)
            eventually(lambda: client.get("/v1/dashboard/queries").json()["queries"][0]["searches"] == 3)
            (row,) = client.get("/v1/dashboard/queries", params={"q": "tune", "order": "success"}).json()["queries"]
            assert row["text"] == "sad tune"
            assert row["top"][0]["entity_id"] == found["hits"][0]["entity_id"]
            assert client.get("/v1/dashboard/queries", params={"q": "happy"}).json()["total"] == 0
            page = client.get("/v1/dashboard/query", params={"text": "Sad Tune"}).json()
            assert page["days"][0]["searches"] == 3
            assert page["beliefs"][0]["shared"] is True


class TestExperiments:
    def test_visitors_get_what_they_were_assigned_and_keep_it(self, client):
        body = {"a": "lexical", "b": "all", "share": 0.5}
        made = client.post("/v1/dashboard/experiments", json=body).json()
        seen = {}
        for user in [f"visitor-{n}" for n in range(12)] * 2:
            decision = search(client, "hello", user_id=user)["decision"]
            assert (decision["experiment"], decision["assigned"]) == (made["id"], 0.5)
            assert seen.setdefault(user, decision["policy"]) == decision["policy"]
        assert set(seen.values()) == {"lexical", "all"}
        assert search(client, "hello", user_id="visitor-1", policy="dense")["decision"]["policy"] == "dense"
        assert "experiment" not in search(client, "hello")["decision"]  # nobody in particular takes part in nothing
        running = client.get("/v1/dashboard/experiments").json()["running"]
        assert (running["id"], running["low"], running["high"], running["better"]) == (made["id"], -1.0, 1.0, None)
        stopped = client.post(f"/v1/dashboard/experiments/{made['id']}/stop").json()
        assert stopped["carried_out"] is True
        assert search(client, "hello", user_id="visitor-1")["decision"]["policy"] == "bandit"
        answer = client.get("/v1/dashboard/experiments").json()
        assert (answer["running"], answer["past"][0]["id"]) == (None, made["id"])

    @pytest.mark.parametrize(
        "body",
        [
            {"a": "bandit", "b": "bandit"},
            {"a": "bandit", "b": "magic"},
            {"a": "bandit", "b": "all", "share": 0.0},
            {"a": "bandit"},
        ],
    )
    def test_what_makes_no_sense_is_refused(self, reader, body):
        problem(reader.post("/v1/dashboard/experiments", json=body), 422)

    def test_what_does_not_run_cannot_be_stopped(self, reader):
        problem(reader.post("/v1/dashboard/experiments/never/stop"), 404)


class TestModels:
    def test_a_version_is_compared_with_itself(self, client):
        found = search(client, "hello", policy="all")
        client.post("/v1/events", params={"wait": True}, json=click(found["query_id"], found["hits"][1]["entity_id"]))
        current = client.get("/v1/models").json()["ranker"]["current"]
        shadow = client.get("/v1/dashboard/shadow", params={"version": current}).json()
        assert (shadow["searches"], shadow["difference"], shadow["moved"]) == (1, 0.0, 0.0)
        assert shadow["serving"] == shadow["other"] == 0.5

    def test_an_unknown_version_is_not_found(self, reader):
        problem(reader.get("/v1/dashboard/shadow", params={"version": "20000101T000000-000000"}), 404)

    def test_what_served_lately_is_listed_by_version(self, home):
        with serving(home, finalize_seconds=0.0, join_minutes=0.001) as client:
            search(client, "hello")
            eventually(lambda: client.get("/v1/dashboard/served").json()["ranker"])
            (served,) = client.get("/v1/dashboard/served").json()["ranker"]
            assert served["version"] == client.get("/v1/models").json()["ranker"]["current"]
            assert (served["searches"], served["reward"]) == (1, 0.0)

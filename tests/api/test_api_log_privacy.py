"""What the process writes into its log says of nobody who they are or what they asked."""

from __future__ import annotations

import json
import traceback

import pytest
import structlog

from bandstand.api.processes import configure_logs
from bandstand.errors import StorageError
from tests.support.api_world import click, problem, search, serving

USER, SESSION, QUERY = "ann-with-an-unmistakable-name", "a-session-like-no-other", "a question that nobody else has"


@pytest.fixture
def logs():
    configure_logs()
    yield
    structlog.reset_defaults()


def break_(monkeypatch, service, error: Exception) -> None:
    def broken(*_: object) -> None:
        raise error from KeyError(f"{USER} {SESSION} {QUERY}")

    monkeypatch.setattr(service.home.engine, "search", broken)
    monkeypatch.setattr(service.home.log, "sessions_of", broken)


def everything_that_can_be_said(client, monkeypatch) -> None:
    asked = search(client, QUERY, user_id=USER, session_id=SESSION)["query_id"]
    client.post("/v1/events?wait=true", json=click(asked, "hurt-cash", user_id=USER, session_id=SESSION))
    service = client.app.state.service
    log, read = service.home.log, service.home.log.read
    monkeypatch.setattr(log, "read", lambda *_, **__: 1 / 0)  # in the learner's thread
    client.get(f"/v1/users/{USER}/nothing?user_id={USER}")
    for wrong in ({"query": QUERY, "user_id": USER, "k": -1}, {"query": QUERY, "session_id": SESSION, "nothing": USER}):
        problem(client.post("/v1/search", json=wrong), 422)
    problem(client.get("/v1/suggest", params={"q": QUERY, "user_id": USER * 9}), 422)
    problem(client.post("/v1/events", content=f"{{{USER}"), 422)
    with monkeypatch.context() as broken:
        for error in (ValueError(f"{USER} {SESSION} {QUERY}"), StorageError("the disk is full")):
            break_(broken, service, error)
            problem(client.post("/v1/search", json={"query": QUERY, "user_id": USER, "session_id": SESSION}), 503)
            problem(client.delete(f"/v1/users/{USER}"), 503)
    monkeypatch.setattr(log, "read", read)
    problem(client.post("/v1/search", json={"query": QUERY}, headers={"X-Bandstand-User": USER}), 401)
    assert client.delete(f"/v1/users/{USER}").status_code == 200


def test_no_line_says_who_somebody_is_or_what_they_asked(home, logs, capfd, monkeypatch):
    with serving(home, access_log=True, slow_search_ms=0.001) as client:
        everything_that_can_be_said(client, monkeypatch)
    told = capfd.readouterr()
    lines = [json.loads(line) for line in told.err.splitlines() if line.startswith("{")]
    assert {"unexpected_error", "request_failed", "key_refused", "request", "slow_search"} <= {
        line["event"] for line in lines
    }
    assert {line["route"] for line in lines if line["event"] != "request" and "route" in line} == {
        "/v1/search", "/v1/users/{user_id:user}"
    }  # fmt: skip
    failed = next(line["exception"] for line in lines if line["event"] == "unexpected_error")
    assert "KeyError" in failed
    assert failed.rstrip().endswith("ValueError")
    for needle in (USER, SESSION, QUERY):
        assert needle not in told.err + told.out


def test_an_answer_that_breaks_off_does_not_say_whose_it_was(home, logs, capfd, monkeypatch):
    with serving(home) as client:
        search(client, QUERY, user_id=USER)

        def broken(_: str) -> None:
            raise ValueError(USER)

        monkeypatch.setattr(client.app.state.service.home.memory, "held_of", broken)
        with pytest.raises(ConnectionAbortedError) as ended:  # uvicorn would write it into its own log
            client.get(f"/v1/users/{USER}/export")
    told = capfd.readouterr().err
    assert "unexpected_error" in told
    assert USER not in told + "".join(traceback.format_exception(ended.value))


def test_what_a_cluster_quotes_of_a_document_is_left_out():
    from bandstand.opensearch.failures import failure

    reason = f"failed to parse field [time] of type [date] in document with id '{SESSION}'."
    reason += f" Preview of field's value: '{USER}'"
    said = str(failure(400, "mapper_parsing_exception", reason, "the cluster"))
    assert "failed to parse field [time] of type [date]" in said
    assert USER not in said
    assert SESSION not in said

"""While learning is behind events are kept all the same, but whoever sends many at a time is told to come again."""

from __future__ import annotations

import shutil

import pytest

from bandstand.api.service import FEW
from tests.support.api_world import click, eventually, problem, search, serving

AT_ONCE = 1e-6
"""Seconds after which learning is late here: as soon as anything waits."""


def clicks(number: int, named: str) -> list[dict]:
    return [click("a search", "halo", event_id=f"{named} {at}") for at in range(number)]


@pytest.fixture(scope="module")
def behind(built_home, tmp_path_factory):
    """A server whose log holds what nobody learns from."""
    home = shutil.copytree(built_home, tmp_path_factory.mktemp("behind") / "home")
    with serving(home, learn=False, bulk_within_seconds=AT_ONCE) as client:
        assert client.post("/v1/events", json=clicks(FEW, "nobody learns")).status_code == 202
        yield client


@pytest.mark.parametrize("params", [{}, {"wait": "false"}], ids=["hot", "by the way of FastAPI"])
def test_many_at_a_time_are_refused_and_a_few_are_taken(behind, params):
    refused = behind.post("/v1/events", json=clicks(FEW + 1, "many"), params=params)
    assert "BANDSTAND_BULK_WITHIN_SECONDS" in problem(refused, 429)["detail"]
    assert refused.headers["retry-after"] == "10"
    taken = behind.post("/v1/events", json=clicks(FEW, f"few {params}"), params=params)
    assert (taken.status_code, taken.json()["accepted"]) == (202, FEW)
    assert behind.post("/v1/events", json=clicks(FEW + 1, "many")).status_code == 429  # none was kept


def test_searches_are_answered_meanwhile(behind):
    assert search(behind, "halo")["hits"]


def test_it_holds_until_what_waits_is_learned_from(home):
    with serving(home, bulk_within_seconds=AT_ONCE) as client:
        client.post("/v1/events?wait=true", json=clicks(FEW + 1, "first"))
        eventually(lambda: client.post("/v1/events", json=clicks(FEW + 1, "second")).status_code == 202)


@pytest.mark.parametrize("limit_s", [0.0, 3600.0])
def test_within_the_limit_or_without_one_everything_is_taken(home, limit_s):
    with serving(home, learn=False, bulk_within_seconds=limit_s) as client:
        for named in ("first", "second"):
            assert client.post("/v1/events", json=clicks(FEW + 1, named)).status_code == 202

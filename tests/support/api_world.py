"""A small real home behind the HTTP application: a few entities, the hashing encoder, a trained ranker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.testclient import TestClient

from bandstand.api.app import create_app
from bandstand.app.platform import Platform
from bandstand.catalog.codec import entity_from_json
from bandstand.settings import Settings

FAR = 60.0
"""Seconds after which something that takes milliseconds has failed, also on a loaded machine."""


def track(id_, title, artist, year, genre="pop", popularity=0.5, **more):
    return {
        "id": id_, "kind": "track", "title": title, "artists": [artist], "released": str(year),
        "attributes": {"genre": {genre: 0.9}}, "popularity": popularity, **more,
    }  # fmt: skip


ENTITIES = [
    track("halo", "Halo", "Beyoncé", 2008, popularity=0.9, album="I Am... Sasha Fierce"),
    track("halo-depeche", "Halo", "Depeche Mode", 1990, "synthpop", 0.4),
    track("hurt-nin", "Hurt", "Nine Inch Nails", 1994, "industrial", 0.7),
    track("hurt-cash", "Hurt", "Johnny Cash", 2002, "country", 0.8),
    track("one-u2", "One", "U2", 1991, "rock", 0.8),
    track("one-metallica", "One", "Metallica", 1988, "metal", 0.8),
    track("hallelujah", "Hallelujah", "Leonard Cohen", 1984, "folk", 0.7),
    track("so-what", "So What", "Miles Davis", 1959, "jazz", 0.7),
    track("blue-in-green", "Blue in Green", "Miles Davis", 1959, "jazz", 0.6),
    track("hoppipolla", "Hoppípolla", "Sigur Rós", 2005, "post-rock", 0.6),
    track("first-love", "First Love", "宇多田ヒカル", 1999, "j-pop", 0.7),
    track("hello", "Hello", "Adele", 2015, popularity=0.95),
    track("hello-richie", "Hello", "Lionel Richie", 1983, "soul", 0.7),
    {"id": "beyonce", "kind": "artist", "title": "Beyoncé", "popularity": 0.95},
    {"id": "rainy", "kind": "playlist", "title": "Rainy Sunday", "members": ["hurt-cash", "hoppipolla"]},
]  # fmt: skip


def settings_of(home: Path, **values: object) -> Settings:
    quick = {
        "encoder": "hashing",
        "refresh_ms": 50.0,
        "deadline_ms": 10_000.0,
        "selfplay_queries": 40,
        "ablation_share": 0.0,
        "hosts": "testserver",
    }
    return Settings(**{"home": home, **quick, **values})


def build_home(folder: Path) -> None:
    """Catalogue, indexes, and the first ranker and bandit."""
    with Platform(settings_of(folder)) as platform:
        platform.storage.store.upsert([entity_from_json(entity) for entity in ENTITIES])
        platform.learning.index()
        platform.learning.train(platform.searching)


def eventually(reached: Callable[[], object], seconds: float = FAR) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)  # each question takes as long as what is waited for in the same process


@contextmanager
def serving(home: Path, *, learn: bool = True, **settings: object) -> Iterator[TestClient]:
    """The application over a home, ready to search."""
    with TestClient(create_app(settings_of(home, **settings), learn=learn)) as client:
        eventually(lambda: can_search(client.get("/readyz")))
        yield client


def can_search(answer) -> bool:
    """Whether a server that answered so has loaded its home, be it an empty one."""
    return answer.status_code == 200 or "is empty" in answer.json()["detail"]


def click(query_id: str, entity_id: str, **fields: object) -> dict[str, object]:
    """A UBI event."""
    attributes = {"object": {"object_id": entity_id}, "position": {"ordinal": 1}}
    return {"action_name": "click", "query_id": query_id, "event_attributes": attributes, **fields}


def search(client: TestClient, query: str, **fields: object) -> dict:
    """An answered search."""
    response = client.post("/v1/search", json={"query": query, **fields})
    assert response.status_code == 200, response.text
    return response.json()


def ids(answer: dict) -> list[str]:
    """The entities of a page, best first."""
    return [hit["entity_id"] for hit in answer["hits"]]


def problem(response, status: int) -> dict:
    """The problem document of an error answer."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    return document

"""A small real catalogue behind a real server, and what tests do with its pages."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from axe_playwright_python.sync_playwright import Axe

from bandstand.api.app import create_app
from bandstand.app.platform import Platform
from bandstand.catalog.codec import entity_from_json
from bandstand.settings import Settings

LOOKED_OVER = {"bypass_csp": True, "reduced_motion": "reduce"}
"""The context of a page in which axe-core runs."""

COLOUR_RULES = ["color-contrast", "link-in-text-block"]
"""What axe-core checks of colours, unless told to be stricter."""

EVIL = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script> Anthem'
ARABIC = "كان عندنا طاحون"


def track(id_: str, title: str, artist: str, year: int, genre: str = "pop", popularity: float = 0.5) -> dict:
    return {
        "id": id_, "kind": "track", "title": title, "artists": [artist], "released": str(year),
        "attributes": {"genre": {genre: 0.9}}, "popularity": popularity,
    }  # fmt: skip


ENTITIES = [
    track("hello-adele", "Hello", "Adele", 2015, popularity=0.95),
    track("hello-richie", "Hello", "Lionel Richie", 1983, "soul", 0.6),
    track("hello-beatles", "Hello, Goodbye", "The Beatles", 1967, "rock", 0.7),
    track("halo", "Halo", "Beyoncé", 2008, popularity=0.9)
    | {"url": "https://example.org/halo", "image": "/assets/icon.svg", "duration": 261.7, "fields": {"bpm": 80}},
    track("hoppipolla", "Hoppípolla", "Sigur Rós", 2005, "post-rock", 0.6),
    track("tahoun", ARABIC, "فيروز", 1957, "arabic", 0.5),
    track("evil", EVIL, "<b>Mallory</b>", 2020, "metal", 0.4),
    *(track(f"blue-{n}", f"Blue Song {n}", f"Singer {n}", 1960 + n, "blues", 0.3) for n in range(15)),
    {"id": "adele", "kind": "artist", "title": "Adele", "popularity": 0.95},
    {"id": "rainy", "kind": "playlist", "title": "Hello Rainy Sunday", "members": ["halo", "hoppipolla"]},
]


def settings_of(home: Path, **values: object) -> Settings:
    quick = {"encoder": "hashing", "refresh_ms": 50.0, "deadline_ms": 10_000.0, "selfplay_queries": 40}
    return Settings(**{"home": home, **quick, **values})


def build_home(folder: Path) -> None:
    """Catalogue, indexes, two rankers and the first bandit."""
    with Platform(settings_of(folder)) as platform:
        platform.storage.store.upsert([entity_from_json(entity) for entity in ENTITIES])
        platform.learning.index()
        for _ in range(2):
            platform.learning.train(platform.searching)


@contextmanager
def serving(home: Path, **settings: object) -> Iterator[str]:
    """A server over a home, in a thread of its own; its address, once it can search."""
    app = create_app(settings_of(home, **settings))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            with httpx.Client(base_url=address) as client:
                wait_until(lambda: _ready(client))
            yield address
        finally:
            server.should_exit = True
            thread.join(timeout=30)


def wait_until(reached: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def _ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:  # not listening yet
        return False


def titles(page) -> list[str]:
    """The titles on the page, best first."""
    return page.locator("#lists .title").all_inner_texts()


def ids(page) -> list[str]:
    """The entities on the page, best first."""
    return page.locator("#lists .hit").evaluate_all("rows => rows.map(row => row.dataset.id)")


def finalized(page):
    """A context in which the next new search that counts is waited for."""
    return page.expect_response(lambda response: counts(response.request))


def counts(request) -> bool:
    """Whether this asks for a new search that counts: no preview, no further page of one, no explanation."""
    if not request.url.endswith("/v1/search"):
        return False
    body = request.post_data_json
    return not body.get("preview") and not body.get("query_id")


def stop_clock(page) -> None:
    """Let the page's time pass only as a test says: on a slow machine a pause would come where none was meant."""
    page.clock.install(time=0)
    page.clock.pause_at(60)


def queries_asked(page, which: Callable[[Any], bool]) -> list[str]:
    """A list of the queries of all searches of one kind, such as `counts`, that grows as the page asks."""
    asked: list[str] = []
    page.on("request", lambda request: which(request) and asked.append(request.post_data_json["query"]))
    return asked


def violations(page) -> str:
    """What axe-core reports, empty where there is nothing: of everything in the light, of colours in the dark too.

    The page needs ``LOOKED_OVER``, or colours are looked at while they change.
    """
    found = []
    for scheme, options in (("light", {}), ("dark", {"runOnly": COLOUR_RULES})):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("scheme => matchMedia(`(prefers-color-scheme: ${scheme})`).matches", scheme)
        found.append(Axe().run(page, options={"resultTypes": ["violations"], **options}))
    return "\n".join(each.generate_report() for each in found if each.violations_count)

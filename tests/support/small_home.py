"""A small real home: a few entities, the hashing encoder, a clock that stands still, ids that count."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

from bandstand.app.options import Options
from bandstand.app.platform import Platform
from bandstand.engine.request import SearchRequest, SearchResult
from bandstand.settings import Settings
from bandstand.types import Attribute, Entity, Event

NOW = 1_750_000_000.0
MINUTE = 60.0


def track(id_, title, artist, *, year=2000, popularity=0.5, genre="pop", album=None):
    return Entity(
        id=id_, kind="track", title=title, artists=(artist,), album=album, popularity=popularity, released=str(year),
        attributes=(Attribute("genre", genre, 0.9),),
    )  # fmt: skip


ENTITIES = (
    track("halo", "Halo", "Beyoncé", year=2008, popularity=0.9, album="I Am... Sasha Fierce"),
    track("halo-again", "Halo", "Beyoncé", year=2011, popularity=0.3, album="Platinum Edition"),
    track("halo-depeche", "Halo", "Depeche Mode", year=1990, popularity=0.4, genre="synthpop"),
    track("hurt-nin", "Hurt", "Nine Inch Nails", year=1994, popularity=0.7, genre="industrial"),
    track("hurt-cash", "Hurt", "Johnny Cash", year=2002, popularity=0.8, genre="country"),
    track("one-u2", "One", "U2", year=1991, popularity=0.8, genre="rock"),
    track("one-metallica", "One", "Metallica", year=1988, popularity=0.8, genre="metal"),
    track("hallelujah", "Hallelujah", "Leonard Cohen", year=1984, popularity=0.7, genre="folk"),
    track("so-what", "So What", "Miles Davis", year=1959, popularity=0.7, genre="jazz"),
    track("blue-in-green", "Blue in Green", "Miles Davis", year=1959, popularity=0.6, genre="jazz"),
    track("hoppipolla", "Hoppípolla", "Sigur Rós", year=2005, popularity=0.6, genre="post-rock"),
    track("first-love", "First Love", "宇多田ヒカル", year=1999, popularity=0.7, genre="j-pop"),
    track("thunderstruck", "Thunderstruck", "AC/DC", year=1990, popularity=0.9, genre="rock"),
    track("hello", "Hello", "Adele", year=2015, popularity=0.95),
    track("hello-richie", "Hello", "Lionel Richie", year=1983, popularity=0.7, genre="soul"),
    Entity(id="beyonce", kind="artist", title="Beyoncé", popularity=0.95, attributes=(Attribute("genre", "pop"),)),
    Entity(id="sigur-ros", kind="artist", title="Sigur Rós", popularity=0.6),
    Entity(id="rainy", kind="playlist", title="Rainy Sunday", popularity=0.3, members=("hurt-cash", "hoppipolla")),
)


class Clock:
    """Time that passes only when it is told to."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


class SmallHome:
    """Storage, workshop and home over one folder, with the verbs of a test."""

    def __init__(self, folder: Path, *, entities=ENTITIES, **settings: object) -> None:
        values = {"home": folder, "encoder": "hashing", "deadline_ms": 10_000.0, "selfplay_queries": 30, **settings}
        self.settings = Settings(**values)
        self.clock = Clock()
        self._ids = itertools.count(1)
        self.options = Options(clock=self.clock, new_id=lambda: f"q{next(self._ids)}")
        self._open()
        self.storage.store.upsert(entities)
        self.learning_side.index()
        self.home = self.platform.searching

    @classmethod
    def copied(cls, made_once: Callable[[str, Callable[[Path], object]], Path], folder: Path) -> SmallHome:
        """One of the usual entities and settings: they are indexed once in a test run, which takes half of opening."""
        return cls(Path(shutil.copytree(made_once("small", lambda made: cls(made).close()), folder)))

    def _open(self) -> None:
        self.platform = Platform(self.settings, self.options)
        self.storage, self.learning_side = self.platform.storage, self.platform.learning
        self.learning_side.prepare()

    def restart(self) -> None:
        """As a process that ends and starts anew."""
        self.close()
        self.reopen()

    def reopen(self) -> None:
        """After `close`."""
        self._open()
        self.home = self.platform.searching

    def close(self) -> None:
        self.platform.close()

    def search(self, text: str, *, user: str | None = None, session: str | None = None, **rest) -> SearchResult:
        return self.home.search(SearchRequest(query=text, user_id=user, session_id=session, **rest))

    def act(self, entity: str, *, on: SearchResult | None = None, action: str = "click", **fields) -> Event:
        """Log one action, by who made the search unless said otherwise; it is not learned yet."""
        query = on.impression.query if on is not None else None
        named = {} if query is None else {"user_id": query.user_id, "session_id": query.session_id}
        event = Event(
            id=f"e{next(self._ids)}", action=action, object_id=entity,
            **{"time": self.clock(), "query_id": query.id if query is not None else None, **named, **fields},
        )  # fmt: skip
        self.storage.log.append_events([event])
        return event

    def play(self, entity: str, *, on: SearchResult | None = None, **fields) -> Event:
        return self.act(entity, on=on, action="play", play_seconds=90.0, **fields)

    def learn(self) -> None:
        """Everything that was logged, visible to the next search."""
        self.storage.log.deliver()
        self.learning_side.learner.catch_up()
        self.home.refresh()

    def ordinal(self, entity: str) -> int:
        return int(self.storage.store.ordinals([entity])[0])


def ids(result: SearchResult) -> list[str]:
    """Entity ids of a page, best first."""
    return [hit.entity.id for hit in result.hits]

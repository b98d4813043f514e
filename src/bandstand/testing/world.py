"""A small catalogue with every kind, several scripts, and the titles that break naive search."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bandstand.catalog.columns import Catalog
from bandstand.catalog.sqlite_store import SqliteStore
from bandstand.catalog.store import Store
from bandstand.catalog.text import normalize
from bandstand.types import Attribute, Clock, Entity, Field, Filters, Kind, Query

NOW = 1_700_000_000.0
"""The time of the world, in seconds since 1970."""

USER = "listener"
"""The user of the suite's queries; a retriever that needs a history is given one for this user."""


@dataclass(frozen=True, kw_only=True)
class World:
    """What a retriever is built from. ``folder`` outlives the retriever, so that it can be opened again."""

    store: Store
    catalog: Catalog
    folder: Path
    clock: Clock

    def ask(
        self, text: str, *, kinds: tuple[Kind, ...] = (), filters: Filters | None = None, **fields: object
    ) -> Query:
        """A query as the engine makes it: normalised, and with the mask of its kinds and filters."""
        chosen = filters or Filters()
        allowed = self.catalog.columns.mask(kinds, chosen) if kinds or chosen else None
        known: dict[str, Any] = {"id": "q1", "user_id": USER, "time": self.clock(), **fields}
        return Query(text=text, normalized=normalize(text), kinds=kinds, filters=chosen, allowed=allowed, **known)


@contextmanager
def open_world(folder: Path, entities: Iterable[Entity]) -> Iterator[World]:
    """A world in a folder, holding entities."""
    store = SqliteStore(folder / "catalog.sqlite", clock=lambda: NOW)
    store.upsert(entities)
    yield World(store=store, catalog=Catalog(store), folder=folder, clock=lambda: NOW)
    store.close()


def track(  # noqa: PLR0913 - the fields of a track
    id_: str,
    title: str,
    artist: str,
    *,
    year: int,
    popularity: float = 0.5,
    genre: str | None = None,
    album: str | None = None,
    aliases: Sequence[str] = (),
    **more: Any,  # noqa: ANN401 - further fields as they are
) -> Entity:
    """A track with the fields that the world's tracks have."""
    attributes = (Attribute("genre", genre, 0.9),) if genre else ()
    return Entity(
        id=id_, kind="track", title=title, artists=(artist,), album=album, aliases=tuple(aliases),
        attributes=attributes, popularity=popularity, released=str(year), **more,
    )  # fmt: skip


ENTITIES: tuple[Entity, ...] = (
    track("t:halo", "Halo", "Beyoncé", year=2008, popularity=0.9, genre="pop", album="I Am... Sasha Fierce",
          duration=261.0, url="https://example.org/halo", fields=(Field("bpm", 80), Field("Label", "Columbia"))),
    track("t:halo-live", "Halo - Live", "Beyoncé", year=2010, popularity=0.4, genre="pop",
          duration=290.0, fields=(Field("bpm", 82.5), Field("label", "Columbia"), Field("live", True))),
    track("t:halo-depeche", "Halo", "Depeche Mode", year=1990, popularity=0.4, genre="synthpop", album="Violator"),
    track("t:hallo", "Hallo", "Mark Forster", year=2015, popularity=0.3, genre="pop"),
    track("t:hello", "Hello", "Adele", year=2015, popularity=0.95, genre="pop", album="25",
          fields=(Field("bpm", 79), Field("label", "XL"), Field("moods", ("Sad", "Slow")))),
    track("t:hello-richie", "Hello", "Lionel Richie", year=1983, popularity=0.7, genre="soul"),
    track("t:hurt-nin", "Hurt", "Nine Inch Nails", year=1994, popularity=0.7, genre="industrial"),
    track("t:hurt-cash", "Hurt", "Johnny Cash", year=2002, popularity=0.8, genre="country"),
    track("t:one-u2", "One", "U2", year=1991, popularity=0.8, genre="rock", album="Achtung Baby"),
    track("t:one-metallica", "One", "Metallica", year=1988, popularity=0.8, genre="metal"),
    track("t:hallelujah", "Hallelujah", "Leonard Cohen", year=1984, popularity=0.7, genre="folk"),
    track("t:hallelujah-buckley", "Hallelujah", "Jeff Buckley", year=1994, popularity=0.8, genre="rock"),
    track("t:1999", "1999", "Prince", year=1982, popularity=0.7, genre="funk", album="1999"),
    track("t:it", "It", "Christine and the Queens", year=2014, popularity=0.3, genre="pop"),
    track("t:thunderstruck", "Thunderstruck", "AC/DC", year=1990, popularity=0.9, genre="rock"),
    track("t:so-what", "So What", "P!nk", year=2008, popularity=0.8, genre="pop"),
    track("t:so-what-davis", "So What", "Miles Davis", year=1959, popularity=0.7, genre="jazz"),
    track("t:hoppipolla", "Hoppípolla", "Sigur Rós", year=2005, popularity=0.6, genre="post-rock", album="Takk..."),
    track("t:must-be-the-moon", "Must Be the Moon", "!!!", year=2007, popularity=0.3, genre="dance-punk"),
    track("t:uncertain-smile", "Uncertain Smile", "The The", year=1983, popularity=0.4, genre="post-punk"),
    track("t:first-love", "First Love", "宇多田ヒカル", year=1999, popularity=0.7, genre="j-pop"),
    track("t:gruppa-krovi", "Группа крови", "Кино", year=1988, popularity=0.7, genre="rock", aliases=["Blood Type"]),
    track("t:nassam", "نسم علينا الهوى", "فيروز", year=1968, popularity=0.6, genre="arabic"),
    track("t:aint-no-sunshine", "Ain't No Sunshine", "Bill Withers", year=1971, popularity=0.8, genre="soul"),
    track("t:all-i-want", "All I Want for Christmas Is You", "Michael Bublé", year=2011, popularity=0.8, genre="pop"),
    track("t:blue-christmas", "Blue Christmas", "Elvis Presley", year=1957, popularity=0.7, genre="rock"),
    track("t:crazy", "Crazy in Love (feat. Jay-Z)", "Beyoncé", year=2003, popularity=0.9, genre="pop"),
    Entity(id="a:beyonce", kind="artist", title="Beyoncé", popularity=0.95, attributes=(Attribute("genre", "pop"),)),
    Entity(id="a:acdc", kind="artist", title="AC/DC", popularity=0.9, attributes=(Attribute("genre", "rock"),)),
    Entity(id="a:chk", kind="artist", title="!!!", aliases=("chk chk chk",), popularity=0.3),
    Entity(id="a:the-the", kind="artist", title="The The", popularity=0.4),
    Entity(id="a:hikaru", kind="artist", title="宇多田ヒカル", aliases=("Utada Hikaru",), popularity=0.7),
    Entity(id="a:kino", kind="artist", title="Кино", aliases=("Kino",), popularity=0.7),
    Entity(id="a:fairuz", kind="artist", title="فيروز", aliases=("Fairuz", "Fayrouz"), popularity=0.7),
    Entity(id="a:sigur-ros", kind="artist", title="Sigur Rós", popularity=0.6),
    Entity(id="l:violator", kind="album", title="Violator", artists=("Depeche Mode",), released="1990", popularity=0.7),
    Entity(id="l:25", kind="album", title="25", artists=("Adele",), released="2015-11-20", popularity=0.8),
    Entity(id="p:halo-hits", kind="playlist", title="Halo and Other Pop Hits", popularity=0.3,
           members=("t:halo", "t:crazy")),
    Entity(id="p:rainy", kind="playlist", title="Rainy Sunday", popularity=0.3,
           attributes=(Attribute("mood", "calm", 0.8),), members=("t:hurt-cash", "t:hoppipolla")),
    Entity(id="s:rock", kind="station", title="Rock Radio", popularity=0.5, attributes=(Attribute("genre", "rock"),)),
    Entity(id="c:song-exploder", kind="podcast", title="How Songs Are Made", popularity=0.5),
)  # fmt: skip

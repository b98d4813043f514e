"""The catalogue of the query-understanding tests, and the parts that read it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bandstand.catalog.columns import Catalog
from bandstand.catalog.sqlite_store import SqliteStore
from bandstand.catalog.text import normalize
from bandstand.retrievers.lexical import LexicalRetriever
from bandstand.retrievers.structured import StructuredRetriever
from bandstand.retrievers.text_index import TextIndex
from bandstand.retrievers.trigram import TrigramRetriever
from bandstand.types import Attribute, Entity, Query
from bandstand.understanding.records import Interpretation, Sense
from bandstand.understanding.spelling import Speller
from bandstand.understanding.understanding import Understanding

NOW = 1_700_000_000.0


def track(id_, title, artist, year=None, popularity=0.5, album=None, **attributes):
    found = tuple(
        Attribute(name, value, share) for name, values in attributes.items() for value, share in values.items()
    )
    return Entity(
        id=id_, kind="track", title=title, artists=(artist,), album=album, popularity=popularity,
        released=None if year is None else str(year), attributes=found,
    )  # fmt: skip


def artist(id_, title, *aliases, popularity=0.6):
    return Entity(id=id_, kind="artist", title=title, aliases=aliases, popularity=popularity)


ENTITIES: tuple[Entity, ...] = (
    track("love-story", "Love Story", "Taylor Swift", 2008, 0.9, genre={"country": 0.6}, mood={"romantic": 1.0}),
    track("shake", "Shake It Off", "Taylor Swift", 2014, 0.9, genre={"pop": 1.0}, mood={"happy": 0.9}),
    track("creep", "Creep", "Radiohead", 1993, 0.9, genre={"rock": 1.0, "alternative": 0.8}, mood={"melancholic": 0.9}),
    track("creep-live", "Creep - Live", "Radiohead", 2001, 0.4, genre={"rock": 1.0, "alternative": 0.8}),
    track("black", "Black", "Pearl Jam", 1991, 0.7, genre={"rock": 0.9, "alternative": 0.6}, mood={"melancholic": 0.8}),
    track("mountain", "Ain't No Mountain High Enough", "Marvin Gaye", 1967, 0.8, genre={"soul": 1.0}),
    track("sunshine", "Ain't No Sunshine", "Bill Withers", 1971, 0.8, genre={"soul": 1.0}),
    track("royksopp", "Eple", "Röyksopp", 2001, 0.5, genre={"electronic": 1.0}),
    track("bublé", "All I Want for Christmas Is You", "Michael Bublé", 2011, 0.8, genre={"pop": 1.0}),
    track("hello", "Hello", "Adele", 2015, 0.9, genre={"pop": 1.0}),
    track("hello-richie", "Hello", "Lionel Richie", 1983, 0.7, genre={"soul": 1.0}),
    track("shape", "Shape of You", "Ed Sheeran", 2017, 0.95, genre={"pop": 1.0}),
    track("perfect", "Perfect", "Ed Sheeran", 2017, 0.9, genre={"pop": 1.0}),
    track("1999", "1999", "Prince", 1982, 0.7, genre={"funk": 1.0}),
    track("hits-2024", "Summer Hits 2024", "Various", 2024, 0.4),
    track("hits-2025", "Summer Hits 2025", "Various", 2025, 0.4),
    track("greener", "Greener", "Tal Fishman", 2018, 0.6, genre={"pop": 1.0}),
    track("gee", "Gee", "소녀시대", 2009, 0.7, language={"korean": 1.0}, genre={"k-pop": 1.0}, mood={"happy": 0.9}),
    track("first-love", "First Love", "宇多田ヒカル", 1999, 0.7, language={"japanese": 1.0}, genre={"j-pop": 1.0}),
    track("gruppa", "Группа крови", "Кино", 1988, 0.7, language={"russian": 1.0}, genre={"rock": 1.0}),
    track("moonlight", "Moonlight Sonata", "Ludwig van Beethoven", None, 0.8, genre={"classical": 1.0, "piano": 0.9}),
    track("undated", "Old Rock Song", "Nobody Known", None, 0.3, genre={"rock": 0.5}),
    artist("taylor", "Taylor Swift", popularity=0.97),
    artist("sheeran", "Ed Sheeran", popularity=0.95),
    artist("queen", "Queen", popularity=0.9),
    artist("utada", "宇多田ヒカル", "Utada Hikaru"),
    artist("kino", "Кино", "Kino"),
    Entity(id="mix", kind="playlist", title="Rainy Day Jazz", popularity=0.4),
    Entity(id="explode", kind="podcast", title="Song Exploder", popularity=0.6),
    Entity(id="station", kind="station", title="Radio Paradise", popularity=0.6),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Small:
    """A catalogue with everything that reads queries against it."""

    store: SqliteStore
    catalog: Catalog
    understanding: Understanding
    speller: Speller
    lexical: LexicalRetriever
    trigram: TrigramRetriever
    structured: StructuredRetriever

    def read(self, text: str) -> Interpretation:
        return self.understanding.interpret(normalize(text))

    def best(self, text: str) -> dict[str, str]:
        """The likeliest reading as {slot: value}."""
        return {sense.slot: sense.value for sense in self.senses(text)}

    def senses(self, text: str) -> tuple[Sense, ...]:
        return self.read(text).readings[0].senses

    def correct(self, text: str):
        return self.speller.correct(normalize(text))

    def found(self, retriever, text: str, depth: int = 10) -> list[str]:
        """Ids that a retriever answers a text with, best first."""
        query = Query(id="q", text=text, normalized=normalize(text), time=NOW)
        return self.catalog.columns.ids[retriever.retrieve(query, depth).ordinals].tolist()

    def ordinal(self, id_: str) -> int:
        return int(self.store.ordinals([id_])[0])


@contextmanager
def open_small(folder: Path, entities: Iterable[Entity], **understood) -> Iterator[Small]:
    store = SqliteStore(folder / "catalog.sqlite", clock=lambda: NOW)
    store.upsert(entities)
    catalog = Catalog(store)
    understanding = Understanding(catalog, **understood)
    with TextIndex(folder / "text", writable=True) as index:
        if changes := store.changes(0, 1_000_000):
            index.apply(changes)
            index.commit()
        yield Small(
            store=store,
            catalog=catalog,
            understanding=understanding,
            speller=Speller(understanding.lexicon),
            lexical=LexicalRetriever(index, catalog),
            trigram=TrigramRetriever(index, catalog),
            structured=StructuredRetriever(understanding, catalog),
        )
    store.close()

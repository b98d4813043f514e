"""Shared pieces: a clock that stands still, an empty store, and entities of every shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import strategies as st

from bandstand.catalog.sqlite_store import SqliteStore
from bandstand.catalog.store import Store
from bandstand.opensearch.catalog import OpenSearchStore
from bandstand.opensearch.connection import Cluster
from bandstand.types import KINDS, Attribute, Clock, Entity, Field

NOW = 1_700_000_000.0


@pytest.fixture(params=["embedded", "opensearch"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Store]]:
    """Opens stores of either kind, each name standing for one place; closed after the test."""
    opened: list[Store] = []
    clusters: dict[str, Cluster] = {}
    connect = request.getfixturevalue("borrow_cluster") if request.param == "opensearch" else None

    def open_one(name: str = "catalog", clock: Clock = lambda: NOW) -> Store:
        if connect is None:
            opened.append(SqliteStore(tmp_path / f"{name}.sqlite", clock=clock))
        else:
            clusters[name] = clusters.get(name) or connect()
            opened.append(OpenSearchStore(clusters[name], clock=clock))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[..., Store]) -> Store:
    """An empty store."""
    return open_store()


@pytest.fixture
def make_track():
    def track(id_: str, title: str | None = None, **fields: object) -> Entity:
        return Entity(id=id_, kind="track", title=title or f"title {id_}", **fields)

    return track


@pytest.fixture(scope="session")
def any_entity() -> st.SearchStrategy[Entity]:
    text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
    words = text.map(str.strip).filter(bool)
    shares = st.floats(min_value=1e-6, max_value=1.0)
    attributes = st.dictionaries(
        st.sampled_from(["genre", "mood", "tag"]), st.dictionaries(words, shares, min_size=1, max_size=3), max_size=3
    )
    texts = st.lists(words, max_size=3, unique=True).map(tuple)
    return st.builds(
        Entity,
        id=words,
        kind=st.sampled_from(KINDS),
        title=words,
        artists=texts,
        album=st.none() | words,
        aliases=texts,
        attributes=attributes.map(
            lambda named: tuple(Attribute(n, v, c) for n, values in named.items() for v, c in values.items())
        ),
        popularity=st.floats(min_value=0.0, max_value=1.0),
        released=st.none() | st.dates().map(str) | st.sampled_from(["1959", "1984-07"]),
        members=texts,
        url=st.none() | st.sampled_from(["https://example.org/a?b=c,d", "/media/a.mp3"]),
        image=st.none() | st.just("http://example.org/a.png"),
        duration=st.none() | st.floats(min_value=0.0, max_value=1e9),
        fields=st.dictionaries(st.sampled_from(["bpm", "Label", "a b"]), _values(words, texts), max_size=3).map(
            lambda named: tuple(Field(name, value) for name, value in named.items())
        ),
    )


def _values(words, texts):
    numbers = st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, min_value=-1e18, max_value=1e18)
    return words | texts | numbers | st.booleans()

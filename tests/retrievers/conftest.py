"""Worlds over the small catalogue of the contract, each with a cluster of its own where one is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from bandstand.catalog.columns import Catalog
from bandstand.catalog.sqlite_store import SqliteStore
from bandstand.opensearch.connection import Cluster
from bandstand.testing.world import ENTITIES, NOW
from bandstand.types import Entity
from tests.support.retriever_factories import ClusterWorld


@pytest.fixture(scope="session")
def connect_lazily(request: pytest.FixtureRequest) -> Callable[[], Callable[[], Cluster]]:
    """Gives each world a cluster of its own, which only those who ask for it need."""
    return lambda: cache(lambda: request.getfixturevalue("new_cluster")())  # noqa: PLW0108 - not before it is asked for


@contextmanager
def open_world(folder: Path, entities: Iterable[Entity], connect: Callable[[], Cluster]) -> Iterator[ClusterWorld]:
    """A world in a folder, holding entities."""
    store = SqliteStore(folder / "catalog.sqlite", clock=lambda: NOW)
    store.upsert(entities)
    yield ClusterWorld(store=store, catalog=Catalog(store), folder=folder, clock=lambda: NOW, connect=connect)
    store.close()


@pytest.fixture
def empty_world(tmp_path: Path, connect_lazily) -> Iterator[ClusterWorld]:
    """A world without entities."""
    with open_world(tmp_path, (), connect_lazily()) as opened:
        yield opened


@pytest.fixture
def world(tmp_path: Path, connect_lazily) -> Iterator[ClusterWorld]:
    """A world that holds `ENTITIES` and is the test's own, to be changed."""
    with open_world(tmp_path, ENTITIES, connect_lazily()) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory, connect_lazily) -> Iterator[ClusterWorld]:
    """A world that holds `ENTITIES` and is only read."""
    with open_world(tmp_path_factory.mktemp("shared"), ENTITIES, connect_lazily()) as opened:
        yield opened


@pytest.fixture(scope="module")
def contract_world(shared_world: ClusterWorld) -> ClusterWorld:
    """The world of the contract."""
    return shared_world


@pytest.fixture
def own_world(world: ClusterWorld) -> ClusterWorld:
    """The contract's world to be changed."""
    return world


@pytest.fixture
def empty_own_world(empty_world: ClusterWorld) -> ClusterWorld:
    """The contract's world without entities."""
    return empty_world

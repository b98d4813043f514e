"""A fresh memory for each test, and the shorthand to teach it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bandstand.memory_index.environment import LmdbEnvironment
from bandstand.memory_index.memory import Memory
from bandstand.memory_index.settings import MemorySettings
from bandstand.opensearch.connection import Cluster
from bandstand.opensearch.memory import MemoryJournal, replicated

NOW = 1_700_000_000.0


@pytest.fixture(params=["embedded", "opensearch"])
def open_memory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Memory]]:
    """Opens memories of either kind that are closed after the test; settings by keyword."""
    opened: list[Memory] = []
    clusters: dict[str, Cluster] = {}
    connect = request.getfixturevalue("borrow_cluster") if request.param == "opensearch" else None

    def open_one(name: str = "memory", map_size: int = 1 << 24, **settings: float) -> Memory:
        open_env = LmdbEnvironment
        if connect is not None:
            clusters[name] = clusters.get(name) or connect()
            journal = MemoryJournal(clusters[name], clock=lambda: NOW)
            open_env = replicated(journal)
        memory = Memory(tmp_path / name, settings=MemorySettings(**settings), map_size=map_size, open_env=open_env)
        opened.append(memory)
        return memory

    yield open_one
    for memory in opened:
        memory.close()


@pytest.fixture
def memory(open_memory: Callable[..., Memory]) -> Memory:
    """An empty memory with default settings."""
    return open_memory()


@pytest.fixture
def now() -> float:
    """The time of the tests."""
    return NOW


@pytest.fixture
def agree(now: float) -> Callable[..., None]:
    """Lets two users click each pair of a query, so that it is shared."""

    def teach(memory: Memory, query: str, *ordinals: int, users: tuple[str, ...] = ("ann", "bob")) -> None:
        with memory.batch() as batch:
            for ordinal in ordinals:
                for user in users:
                    batch.click(query, ordinal, user=user, now=now)

    return teach

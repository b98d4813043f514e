"""The pytest plug-in: fixtures of the contract suites. It loads nothing heavy until one of them is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from bandstand.bandit.policy import Policy
    from bandstand.catalog.readers.base import Reader
    from bandstand.retrievers.base import Retriever
    from bandstand.testing.retrievers import RetrieverCase
    from bandstand.testing.world import World


@pytest.fixture(scope="session")
def contract_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world with a small catalogue, which is only read."""
    from bandstand.testing.world import ENTITIES, open_world

    with open_world(tmp_path_factory.mktemp("world"), ENTITIES) as opened:
        yield opened


@pytest.fixture
def own_world(tmp_path: Path) -> Iterator[World]:
    """A world with the same catalogue, the test's own to be changed."""
    from bandstand.testing.world import ENTITIES, open_world

    with open_world(tmp_path, ENTITIES) as opened:
        yield opened


@pytest.fixture
def empty_own_world(tmp_path: Path) -> Iterator[World]:
    """A world without entities."""
    from bandstand.testing.world import open_world

    with open_world(tmp_path, ()) as opened:
        yield opened


@pytest.fixture(scope="class")
def retriever_case(request: pytest.FixtureRequest) -> RetrieverCase:
    """What the class that derives from `RetrieverContract` is about."""
    from bandstand.testing.retrievers import RetrieverCase

    suite = request.cls()
    return RetrieverCase(build=suite.build, known=suite.known, literal=suite.literal)


@pytest.fixture(scope="class")
def contract_retriever(retriever_case: RetrieverCase, contract_world: World) -> Iterator[Retriever]:
    """The retriever, over the world that is only read."""
    with retriever_case.build(contract_world) as opened:
        yield opened


@pytest.fixture
def contract_policy(request: pytest.FixtureRequest) -> Policy:
    """The policy of a class that derives from `PolicyContract`."""
    made: Policy = request.instance.make()
    return made


@pytest.fixture
def contract_reader(request: pytest.FixtureRequest) -> Reader:
    """The reader of a class that derives from `ReaderContract`."""
    made: Reader = request.instance.make()
    return made

"""A small catalogue whose readings can be worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.small_catalog import ENTITIES, Small, open_small


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    """The small catalogue, only read."""
    with open_small(tmp_path_factory.mktemp("small"), ENTITIES) as opened:
        yield opened


@pytest.fixture
def own(tmp_path) -> Iterator[Small]:
    """The small catalogue, to be changed."""
    with open_small(tmp_path, ENTITIES) as opened:
        yield opened

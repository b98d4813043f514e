"""A home built once for servers, and a small one of the test's own."""

from __future__ import annotations

import pytest

from tests.support.api_world import build_home
from tests.support.small_home import SmallHome


@pytest.fixture(scope="session")
def built_home(made_once):
    return made_once("api", build_home)


@pytest.fixture
def small(made_once, tmp_path):
    opened = SmallHome.copied(made_once, tmp_path / "home")
    yield opened
    opened.close()

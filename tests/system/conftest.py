"""A small home of the test's own."""

from __future__ import annotations

import pytest

from tests.support.small_home import SmallHome


@pytest.fixture
def small(made_once, tmp_path):
    opened = SmallHome.copied(made_once, tmp_path / "home")
    yield opened
    opened.close()

"""A small home of the test's own."""

from __future__ import annotations

import pytest

from tests.support.small_home import SmallHome


@pytest.fixture
def small(tmp_path):
    opened = SmallHome(tmp_path / "home")
    yield opened
    opened.close()

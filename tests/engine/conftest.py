"""A small home of the test's own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "system"))

from small_home import SmallHome


@pytest.fixture
def small(tmp_path):
    opened = SmallHome(tmp_path / "home")
    yield opened
    opened.close()

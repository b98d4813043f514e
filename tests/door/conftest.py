"""A platform over a folder of the test's own, with what makes it quick and repeatable."""

from __future__ import annotations

import pytest

import bandstand as bs
from tests.support.small_home import ENTITIES

QUICK = {
    "encoder": "hashing",
    "selfplay_queries": 0,
    "deadline_ms": 10_000.0,
    "ablation_share": 0.0,  # so that what is logged can be counted
    "background": False,
}


@pytest.fixture
def music(tmp_path):
    """The small catalogue, indexed."""
    with bs.open(tmp_path / "home", **QUICK) as opened:
        opened.ingest(ENTITIES)
        opened.index()
        yield opened

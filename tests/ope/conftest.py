"""Where the oracle and the Open Bandit Dataset lie, or why a test is skipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def _folder(name: str) -> Path:
    root = os.environ.get("BANDSTAND_DATA")
    folder = Path(root or "") / name
    if not root or not folder.is_dir():
        pytest.skip(f"BANDSTAND_DATA/{name} is not there: the comparison with real data was not made")
    return folder


@pytest.fixture(scope="session")
def oracle() -> Path:
    """The folder of inputs and reference values."""
    return _folder("ope")


@pytest.fixture(scope="session")
def open_bandit() -> Path:
    """The folder of the Open Bandit Dataset sample."""
    return _folder("obd")

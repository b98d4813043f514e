"""Where the oracle and the Open Bandit Dataset lie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def oracle(real_data: Callable[[str], Path]) -> Path:
    """The folder of inputs and reference values."""
    return real_data("ope")


@pytest.fixture(scope="session")
def open_bandit(real_data: Callable[[str], Path]) -> Path:
    """The folder of the Open Bandit Dataset sample."""
    return real_data("obd")

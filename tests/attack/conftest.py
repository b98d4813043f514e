"""A home built once, and a server over it at a port of this machine."""

from __future__ import annotations

import pytest

from tests.support.api_world import build_home


@pytest.fixture(scope="session")
def built_home(made_once):
    return made_once("api", build_home)

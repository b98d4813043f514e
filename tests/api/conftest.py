"""A home built once; tests that change it get a copy."""

from __future__ import annotations

import shutil

import pytest

from tests.support.api_world import build_home, serving


@pytest.fixture(scope="session")
def built_home(made_once):
    return made_once("api", build_home)


@pytest.fixture
def home(built_home, tmp_path):
    """A home of the test's own."""
    return shutil.copytree(built_home, tmp_path / "home")


@pytest.fixture
def client(home):
    """The application over a home of the test's own."""
    with serving(home) as client:
        yield client


@pytest.fixture(scope="module")
def reader(built_home, tmp_path_factory):
    """The application for tests that change nothing, or only what nobody else looks at."""
    with serving(shutil.copytree(built_home, tmp_path_factory.mktemp("reader") / "home")) as client:
        yield client

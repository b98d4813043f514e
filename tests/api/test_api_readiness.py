"""A server of several workers is ready when each of them can search."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from starlette.testclient import TestClient

from bandstand.api.app import create_app
from bandstand.api.readiness import Readiness
from tests.support.api_world import eventually, problem, settings_of


@pytest.fixture
def another():
    """A process that lives until the test ends it."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process


def test_a_worker_that_died_counts_no_more(tmp_path, another):
    readiness = Readiness(tmp_path, workers=2)
    readiness.announce()
    assert not readiness.complete()
    (tmp_path / str(another.pid)).touch()
    assert readiness.complete()
    another.kill()
    another.wait()
    assert not readiness.complete()


def test_a_worker_that_can_search_waits_for_the_others(home, tmp_path):
    loaded = tmp_path / "loaded"
    loaded.mkdir()
    app = create_app(settings_of(home), learn=False, readiness=Readiness(loaded, workers=2))
    with TestClient(app) as client:
        eventually(lambda: client.post("/v1/search", json={"query": "halo"}).status_code == 200)
        eventually(lambda: "another worker" in problem(client.get("/readyz"), 503)["detail"])
        (loaded / str(os.getppid())).touch()
        assert client.get("/readyz").status_code == 200

"""Reading does not need writing: a home on a disk that takes no more bytes is opened, and searched, at once."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.processes import ROOT
from tests.support.small_home import SmallHome

CHILD = """
import json, resource, sys, time
from pathlib import Path
from bandstand.app.options import Options
from bandstand.app.platform import Platform
from bandstand.bandit.vw import VwModel
from bandstand.engine.request import SearchRequest
from bandstand.errors import StorageError
from bandstand.settings import Settings
from bandstand.types import Event

def limit(bytes):
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes, resource.RLIM_INFINITY))

def elsewhere(work):
    # What writes scratch files writes to memory, which is not limited.
    def done(*args):
        limit(resource.RLIM_INFINITY)
        try:
            return work(*args)
        finally:
            limit(0)
    return done

VwModel.to_bytes = elsewhere(VwModel.to_bytes)
VwModel.from_bytes = classmethod(elsewhere(VwModel.from_bytes.__func__))
limit(0)  # as on a full disk: no file grows or is written
said = {}
platform = Platform(Settings(home=Path(sys.argv[1]), encoder="hashing", deadline_ms=10_000.0))
found = platform.searching.search(SearchRequest(query="halo", policy=None))
said["hits"] = [hit.entity.id for hit in found.hits]
said["memory"] = [hit.entity.id for hit in
                  platform.searching.search(SearchRequest(query="sad tune", policy="memory")).hits]
try:
    platform.storage.log.append_events([Event(id="e", action="click", object_id="halo", time=1.0)])
except StorageError as error:
    said["event"] = str(error)
limit(resource.RLIM_INFINITY)
said["later"] = platform.storage.log.append_events([Event(id="e", action="click", object_id="halo", time=1.0)]).accepted
platform.storage.log.flush()
said["searches"] = platform.storage.log.count("impression")
platform.close()
print(json.dumps(said))
"""


def told(home):
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(home)], check=False, capture_output=True, text=True, cwd=ROOT, timeout=250
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def home(made_once, tmp_path):
    small = SmallHome.copied(made_once, tmp_path / "home")
    for user in ("ann", "bob"):
        small.play("hurt-cash", on=small.search("sad tune", user=user))
    small.learn()
    small.close()
    return small.settings.home


@pytest.mark.slow
def test_a_full_disk_is_searched_and_written_again_once_it_can_be(home):
    searches = 2
    said = told(home)
    assert said["hits"][0] == "halo"
    assert said["memory"] == ["hurt-cash"]
    assert "log.sqlite failed" in said["event"]
    assert any(remedy in said["event"] for remedy in ("free some space", "writable", "free space"))
    assert said["later"] == 1
    assert said["searches"] == searches + 2  # those that were answered meanwhile were kept for it

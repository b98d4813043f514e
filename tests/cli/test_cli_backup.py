"""A home is backed up while it learns, and what is restored knows what it knew; what is damaged or newer is refused."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from bandstand.cli.common import opened

pytestmark = pytest.mark.slow
_BACKUP = "import sys; from bandstand.cli.main import main; sys.argv[0] = 'bandstand'; main()"


@pytest.fixture
def used(home):
    """A home that has learned what three people meant."""
    with opened(None) as music:
        for user in ("ann", "bea", "cleo"):
            _choose(music, user)
        music.learn()
    return home


def _choose(music, user):
    found = music.search("one", user=user, policy="all")
    music.act(found.query_id, "one", user=user)


def _known(home):
    with opened(home) as music:
        storage = music.platform.storage
        assert storage.memory.position() <= storage.log.head()
        known = {user: storage.memory.knows(user) for user in ("ann", "bea", "cleo")}
        return known, storage.memory.query_rows("one", now=2e9), len(music), storage.models.pointer("ranker")


def test_what_is_restored_knows_what_it_knew(cli, used, tmp_path):
    made = cli("backup", tmp_path / "copy", "--json").json()
    assert made["bytes"] > 0
    known = _known(used)
    assert all(known[0].values())
    assert cli("restore", tmp_path / "copy", "--home", tmp_path / "again").code == 0
    assert _known(tmp_path / "again") == known
    assert cli("index", "--home", tmp_path / "again").code == 0
    found = cli("search", "one", "--user", "ann", "--home", tmp_path / "again", "--json").json()
    assert found["hits"][0]["entity_id"] == "one"
    for words in (["backup", tmp_path / "copy"], ["restore", tmp_path / "copy"]):
        refused = cli(*words)
        assert refused.code == 2
        assert "is there already" in refused.err


def test_a_home_is_copied_while_it_learns(cli, used, tmp_path):
    ends = threading.Event()
    with opened(used) as music:

        def live():
            while not ends.is_set():
                _choose(music, "dora")
                music.learn()

        thread = threading.Thread(target=live)
        thread.start()
        done = subprocess.run(
            [sys.executable, "-c", _BACKUP, "backup", str(tmp_path / "copy"), "--home", str(used)],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        ends.set()
        thread.join()
        head = music.platform.storage.log.head()
    assert done.returncode == 0, done.stderr
    assert cli("restore", tmp_path / "copy", "--home", tmp_path / "again").code == 0
    with opened(tmp_path / "again") as again:
        storage = again.platform.storage
        assert 0 < storage.memory.position() <= storage.log.head() <= head
        again.learn()
        assert storage.memory.position() == storage.log.head()


def test_a_backup_that_is_damaged_newer_or_half_is_refused(cli, used, tmp_path):
    copy = tmp_path / "copy"
    assert cli("backup", copy).code == 0
    manifest = json.loads((copy / "backup.json").read_text())

    def refused(words):
        ended = cli("restore", copy, "--home", tmp_path / "again")
        assert ended.code in {1, 2}
        assert words in ended.err
        assert not (tmp_path / "again").exists()

    (copy / "backup.json").write_text(json.dumps({**manifest, "format": 2}))
    refused("newer Bandstand")
    (copy / "backup.json").unlink()
    refused("no whole backup")
    with closing(sqlite3.connect(copy / "log.sqlite")) as log:
        log.execute("PRAGMA user_version = 99")
    (copy / "backup.json").write_text(json.dumps(manifest))
    refused("missing or damaged")
    files = {**manifest["files"], "log.sqlite": hashlib.sha256((copy / "log.sqlite").read_bytes()).hexdigest()}
    (copy / "backup.json").write_text(json.dumps({**manifest, "files": files}))
    refused("written by a newer Bandstand")


def test_what_is_no_home_and_a_cluster_cannot_be_backed_up(cli, tmp_path, monkeypatch):
    missing = cli("backup", tmp_path / "copy")
    assert missing.code == 2
    assert "there is no home" in missing.err
    monkeypatch.setenv("BANDSTAND_BACKEND", "opensearch")
    assert "snapshots" in cli("backup", tmp_path / "copy").err
    assert not (tmp_path / "copy").exists()

"""`bandstand ingest FOLDER`: what is told of a folder of music."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from bandstand.api.app import create_app
from bandstand.app.platform import Platform
from tests.support.api_world import problem, settings_of
from tests.support.audio import PNG, song


@pytest.fixture
def folder(tmp_path):
    song(tmp_path / "music" / "a.flac", title="Halo", artist="Beyoncé", album="Sasha Fierce")
    song(tmp_path / "music" / "b.mp3", TIT2=["Hurt"], TPE1=["Johnny Cash"])
    (tmp_path / "music" / "broken.opus").write_bytes(b"")
    return tmp_path / "music"


def test_a_folder_is_ingested_and_what_is_gone_goes(cli, folder):
    report = cli("ingest", folder, "--json").json()
    assert (report["read"], report["changed"], report["rejected"], report["removed"]) == (5, 5, 1, 0)
    assert '"raw":"broken.opus"' in Path(report["rejects"]).read_text()
    (folder / "b.mp3").unlink()
    shown = cli("ingest", folder)
    assert "3 read, 0 new or changed, 1 rejected, 2 removed" in shown.out


def test_a_folder_without_music_says_so(cli, tmp_path):
    (tmp_path / "empty").mkdir()
    shown = cli("ingest", tmp_path / "empty")
    assert shown.code == 2
    assert "holds no music" in shown.err


def test_only_a_folder_can_be_watched(cli, folder):
    shown = cli("ingest", folder / "a.flac", "--watch")
    assert shown.code == 2
    assert "only a folder of music can be watched" in shown.err


def test_covers_are_served(cli, folder, tmp_path):
    (folder / "cover.png").write_bytes(PNG)
    cli("ingest", folder)
    with Platform(settings_of(tmp_path / "home")) as platform:
        images = [entity.image for _, entity in platform.storage.store.scan() if entity.kind in {"track", "album"}]
    client = TestClient(create_app(settings_of(tmp_path / "home")))
    assert len(images) == 3
    for image in images:
        answer = client.get(image)
        assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, PNG, "image/png")
    problem(client.get("/v1/covers/unknown"), 404)

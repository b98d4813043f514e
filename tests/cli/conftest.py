"""The command line over an empty home, and over one that was built once."""

from __future__ import annotations

import os
import shutil

import pytest

from bandstand.app.platform import Platform
from bandstand.settings import load_settings
from tests.support.cli_world import ENTITIES, Cli, ndjson, run

QUICK = {
    "BANDSTAND_ENCODER": "hashing",
    "BANDSTAND_SELFPLAY_QUERIES": "40",
    "BANDSTAND_DEADLINE_MS": "10000",
    "BANDSTAND_ABLATION_SHARE": "0",  # so that what is logged can be counted
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch, tmp_path):
    """No settings but quick ones, and a home of the test's own."""
    for name in list(os.environ):
        if name.startswith("BANDSTAND_"):
            monkeypatch.delenv(name)
    for name, value in QUICK.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BANDSTAND_HOME", str(tmp_path / "home"))


@pytest.fixture
def cli(monkeypatch, capsys):
    return Cli(monkeypatch, capsys)


@pytest.fixture(scope="session")
def built(made_once):
    """A home with a few entities, indexed and trained."""

    def build(folder):
        folder.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in QUICK.items():
                patch.setenv(name, value)
            for words in (["ingest", ndjson(folder / "e.ndjson", ENTITIES)], ["index"]):
                assert run(patch, [*words, "--home", folder / "home"]) == 0

    return made_once("cli", build) / "home"


@pytest.fixture
def home(built, tmp_path):
    """A built home of the test's own; it is BANDSTAND_HOME."""
    return shutil.copytree(built, tmp_path / "home")


@pytest.fixture
def empty(tmp_path):
    """A home into which nothing was ingested yet."""
    with Platform(load_settings(home=tmp_path / "home")) as platform:
        return platform.storage.paths.home

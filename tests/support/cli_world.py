"""The command line in this process: what it printed, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bandstand.cli.main import main

ENTITIES = [
    {"id": "halo", "kind": "track", "title": "Halo", "artists": ["Beyoncé"], "released": "2008", "popularity": 0.9},
    {"id": "hurt", "kind": "track", "title": "Hurt", "artists": ["Johnny Cash"], "released": "2002"},
    {"id": "one", "kind": "track", "title": "One", "artists": ["U2"], "album": "Achtung Baby", "released": "1991"},
    {"id": "hello", "kind": "track", "title": "Hello", "artists": ["Adele"], "released": "2015", "popularity": 0.8},
    {"id": "so-what", "kind": "track", "title": "So What", "artists": ["Miles Davis"], "released": "1959"},
    {"id": "beyonce", "kind": "artist", "title": "Beyoncé", "popularity": 0.9},
    {"id": "untitled", "kind": "track", "title": "[bold]Untitled[/bold] :smile: \u001b[31m", "artists": ["Interpol"]},
]


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


def run(monkeypatch: pytest.MonkeyPatch, words: Sequence[object]) -> int:
    """Run one command; its exit code."""
    monkeypatch.setattr("sys.argv", ["bandstand", *map(str, words)])
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


class Cli:
    """Runs commands as the entry point does, without a new process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *words: object) -> Ended:
        code = run(self._monkeypatch, words)
        printed = self._capsys.readouterr()
        assert "Traceback" not in printed.out + printed.err
        return Ended(code, printed.out, printed.err)


def ndjson(path: Path, entities: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(entity) + "\n" for entity in entities), encoding="utf-8")
    return path

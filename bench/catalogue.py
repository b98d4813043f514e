"""The home that is measured, and what making it costs: entities in, indexes, models."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from bandstand.app.platform import Platform
from bandstand.catalog.bundled import load_bundled
from bandstand.catalog.readers.base import Row
from bandstand.catalog.readers.registry import guess_reader
from bandstand.catalog.sqlite_store import SqliteStore
from bandstand.settings import Settings
from bandstand.types import Entity
from bench.figures import Figure


def dataset() -> Path | None:
    """The real catalogue, where BANDSTAND_DATA has it."""
    folder = os.environ.get("BANDSTAND_DATA")
    path = Path(folder) / "spotify_songs.csv.gz" if folder else None
    return path if path is not None and path.exists() else None


def entities() -> list[Entity]:
    """What is ingested: the real catalogue, or the bundled one."""
    path = dataset()
    if path is None:
        return list(load_bundled())
    return [row.entity for row in guess_reader(path).read(path) if isinstance(row, Row)]


def ingest_figures(found: list[Entity], scratch: Path) -> list[Figure]:
    """Entities a second into a new store, the same again, and from the file's bytes to the store."""
    store = SqliteStore(scratch / "ingest.sqlite", clock=time.time)
    rates = []
    for _ in range(2):
        started = time.perf_counter()
        store.upsert(found)
        rates.append(len(found) / (time.perf_counter() - started))
    store.close()
    figures = [
        Figure(name="ingest, new entities", value=rates[0], unit="/s", aim=20_000, at_least=True),
        Figure(name="ingest, nothing changed", value=rates[1], unit="/s"),
    ]
    started = time.perf_counter()
    again = SqliteStore(scratch / "read.sqlite", clock=time.time)
    again.upsert(entities())
    again.close()
    rate = len(found) / (time.perf_counter() - started)
    return [*figures, Figure(name="ingest with reading the file", value=rate, unit="/s")]


def build(settings: Settings, found: list[Entity]) -> list[Figure]:
    """Index and train a home; kept for the next run unless the catalogue is another one."""
    if (settings.home / "models").exists():
        return []
    shutil.rmtree(settings.home, ignore_errors=True)
    with Platform(settings) as platform:
        platform.storage.store.upsert(found)
        platform.learning.prepare()
        clock = _Laps()
        platform.learning.index(progress=clock)
        started = time.perf_counter()
        platform.learning.distil()
        distilled = time.perf_counter() - started
        home = platform.searching
        started = time.perf_counter()
        platform.learning.train(home)
        trained = time.perf_counter() - started
    laps = [
        Figure(name=f"index: {name}", value=len(found) / seconds, unit="/s") for name, seconds in clock.laps().items()
    ]
    return [
        *laps,
        Figure(name="distil token vectors", value=distilled, unit="s"),
        Figure(name="train ranker and bandit by self-play", value=trained, unit="s"),
    ]


class _Laps:
    """Seconds that each index took, read off the progress that it reports."""

    def __init__(self) -> None:
        self._moments: list[tuple[str, float]] = [("", time.perf_counter())]

    def __call__(self, name: str, _done: int, _of: int) -> None:
        self._moments.append((name, time.perf_counter()))

    def laps(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for (_, before), (name, after) in zip(self._moments, self._moments[1:], strict=False):
            found[name] = found.get(name, 0.0) + after - before
        return found

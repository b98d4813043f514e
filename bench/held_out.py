"""A catalogue that nobody has searched: how good are its first searches, by how the platform was prepared?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bandstand.catalog.text import normalize
from bandstand.memory_index.generator import GENERATOR_FILE, Counted, count_pairs
from bandstand.replay.contestants import contestant
from bandstand.replay.environment import ReplayEnvironment, VirtualClock
from bandstand.replay.rows import read_rows, rows_path, write_rows
from bandstand.replay.simulate.experiments import Experiment, Shares, SimulateSettings
from bandstand.replay.simulate.loop import Loop
from bandstand.replay.simulate.world import Music, World
from bandstand.replay.table import Table, table_of
from bandstand.settings import load_settings
from bandstand.types import Entity, Progress
from bandstand.types.hashing import digest

PREPARED: Mapping[str, Mapping[str, object]] = {
    "no self-play": {"selfplay_queries": 0, "generator": False},
    "templates": {"generator": False},
    "generator": {"generator": True},
}
"""How a home is prepared before its first search, by the settings that differ."""

SHARES: Shares = {"new title": 0.75, "new title misspelt": 0.25}


FIRST = 1_000
"""Searches that are looked at, unless the settings limit them further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """``tables`` by how the home was prepared: the same searches in the same order; what the generator was taught."""

    tables: dict[str, Table]
    taught: Counted


def held_out(music: Music, folder: Path, settings: SimulateSettings, progress: Progress = lambda *_: None) -> HeldOut:
    """Teach a generator with what people typed in one half of the artists; then serve the other half, new, each way.

    No artist is in both halves. Habits (`bandstand.replay.simulate.world`) are the same in both; typos of the pen are
    drawn anew. The bandit decides, and everything learns as it would.
    """
    known, new = _halves(music, settings.seed)
    taught = count_pairs(_typed(known, settings.seed + 1_000))
    world = World(new, _experiment(new, settings.limit or FIRST), seed=settings.seed)
    environment = HeldOutEnvironment(
        world=world, settings=settings, folder=folder, generator=taught.generator.to_bytes()
    )
    return HeldOut(tables={name: environment.play(name, progress) for name in PREPARED}, taught=taught)


def _halves(music: Music, seed: int) -> tuple[Music, Music]:
    """Tracks by their first artist: seen, and new."""
    tracks: tuple[list[int], list[int]] = ([], [])
    for at, track in enumerate(music.tracks):
        artist = normalize(track.artists[0]) if track.artists else track.id
        tracks[digest(f"{seed}/{artist}", 1)[0] % 2].append(at)
    return (
        replace(music, tracks=tuple(music.tracks[at] for at in tracks[0]), playlists={}),
        replace(music, tracks=tuple(music.tracks[at] for at in tracks[1]), playlists={}),
    )


def _experiment(music: Music, searches: int) -> Experiment:
    return Experiment(
        name="held-out",
        searches=searches,
        shares=SHARES,
        titles=0,
        nicknames=0,
        new_titles=min(len(music.tracks), 12_000),
        habits=True,
    )


def _typed(music: Music, seed: int, pairs: int = 4_000) -> list[tuple[str, Entity]]:
    """What was typed in a world, and the track that it was for, as a log would hold them."""
    world = World(music, _experiment(music, min(pairs, len(music.tracks) // 2)), seed=seed)
    by_id = {track.id: track for track in music.tracks}
    needs = [world.need(number) for number in range(world.experiment.searches)]
    return [(normalize(need.text), by_id[need.wanted[0]]) for need in needs]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutEnvironment:
    """The new half of the artists, before anybody has searched it, and the generator from the other half."""

    world: World
    settings: SimulateSettings
    folder: Path
    generator: bytes

    def play(self, prepared: str, progress: Progress) -> Table:
        """Prepare a home in one way (`PREPARED`) and make the first searches; what was played before is read."""
        here = self.folder / prepared.replace(" ", "-")
        path = rows_path(here, "bandit")
        if path.exists():
            return table_of("bandit", read_rows(path))
        here.mkdir(parents=True, exist_ok=True)
        common = {"home": here / "home", "seed": self.settings.seed, "deadline_ms": 60_000.0, "agree_users": 1}
        platform = load_settings(**{**common, **dict(self.settings.platform), **PREPARED[prepared]})
        with ReplayEnvironment(platform, VirtualClock(self.settings.start)) as environment:
            models = environment.storage.models
            models.promote("generator", models.publish("generator", {GENERATOR_FILE: self.generator}))
            environment.release(self.world.released)
            environment.play_examples()
            loop = Loop(environment, self.world, contestant("bandit"), self.settings)
            searches = self.world.experiment.searches
            write_rows(path, loop.play(lambda done: progress(prepared, done, searches)))
        return table_of("bandit", read_rows(path))


def success_at(table: Table, k: int) -> NDArray[np.bool_]:
    """Whether something right was among the first ``k``, bool (n,)."""
    found: NDArray[np.bool_] = (table.first > 0) & (table.first <= k)
    return found

"""What attackers move whom nobody vouches for: how many voices each attack takes.

Each attack gets one voice more until it succeeds for somebody who looks on. A voice says the same `EVENTS` times, each
time after a search of its own. It is a user with a token, or a network whose visitors have none: a new one each time.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bandstand.app.options import Options
from bandstand.app.platform import Platform
from bandstand.engine.request import SearchRequest, SearchResult
from bandstand.settings import load_settings
from bandstand.types import Entity, Event
from bench.figures import Figure

START, STEP_S = 1_750_000_000.0, 120.0
MOST = 80
"""More voices than these are not tried."""

EVENTS = 20

PEOPLE = 5
"""How many chose something before the attack on it."""

NAMES = (
    "first on a vague query that nobody had asked",
    "their words suggested to others",
    f"first on a vague query for which {PEOPLE} people chose something else",
    "first in place of an exact title",
)
AIMS = (2, 2, 2, 50)
"""Not one actor, however often they say it; and not fewer than fifty users in place of a title."""


@dataclass
class Music:
    """The platform over a folder, at a time that passes when it is told to."""

    platform: Platform
    now: float = START

    def search(self, text: str, *, user: str | None = None, session: str | None = None, by: str = "") -> SearchResult:
        """A search that ``by`` claims; one that looks on leaves nothing behind."""
        return self.platform.searching.search(
            SearchRequest(query=text, user_id=user, session_id=session, claimant=by or None, preview=not by)
        )

    def learn(self) -> None:
        """Everything that was done until now."""
        self.platform.storage.log.deliver()
        self.platform.learning.learner.catch_up()
        self.platform.searching.refresh()


class Voice:
    """Who says something, as often as they like."""

    _numbers = itertools.count()

    def __init__(self, music: Music, number: int, *, user: bool) -> None:
        self._music, self._claimant = music, f"{number:016x}"
        self._user = f"user {next(self._numbers)}" if user else None

    def choose(self, text: str, entity: str, times: int) -> None:
        """Search, and play an entity."""
        for _ in range(times):
            session = None if self._user else f"session {next(self._numbers)}"
            asked = self._music.search(text, user=self._user, session=session, by=self._claimant).impression.query
            self._music.now += STEP_S
            event = Event(
                id=f"event {next(self._numbers)}",
                action="play",
                time=self._music.now,
                query_id=asked.id,
                user_id=asked.user_id,
                session_id=asked.session_id,
                object_id=entity,
                play_seconds=90.0,
                claimant=self._claimant,
            )
            self._music.platform.storage.log.append_events([event])


@dataclass(frozen=True, slots=True)
class Attack:
    """Under which query and for which entity something is attempted, and when it has succeeded."""

    text: str
    target: str
    succeeded: Callable[[], bool]


def evidence_figures(home: Path) -> list[Figure]:
    """How many users, and how many networks, each attack takes on the music of a home, which is copied."""
    with tempfile.TemporaryDirectory() as folder:
        music = _opened(Path(shutil.copytree(home, Path(folder) / "home")))
        songs = [song for _, song in music.platform.storage.store.scan() if song.kind == "track"]
        found = [
            _figure(f"{name}: {'users' if user else 'networks'}", _voices(music, attack, user=user), aim)
            for user in (True, False)
            for name, aim, attack in zip(NAMES, AIMS, _attacks(music, songs, user=user), strict=True)
        ]
        music.platform.close()
    return found


def _figure(name: str, voices: int, aim: int) -> Figure:
    return Figure(
        name=name, value=voices, unit="", aim=aim, at_least=True, note="and more: not tried" if voices > MOST else ""
    )


def _opened(home: Path) -> Music:
    music: Music
    music = Music(Platform(load_settings(home=home), Options(clock=lambda: music.now)))
    music.platform.learning.prepare()
    return music


def _voices(music: Music, attack: Attack, *, user: bool) -> int:
    """How many voices it took."""
    for number in range(1, MOST + 1):
        Voice(music, number, user=user).choose(attack.text, attack.target, EVENTS)
        music.learn()
        if attack.succeeded():
            return number
    return MOST + 1


def _attacks(music: Music, songs: list[Entity], *, user: bool) -> list[Attack]:
    """As `NAMES` says; users and networks make theirs on other words."""
    title = next(song for song in songs[:: 1 if user else -1] if _found_first(music, song)).title
    kind = "users" if user else "networks"
    vague, insult, contested = (f"{what} {kind} rave" for what in ("sleepless", "shameless", "moonlit"))
    wanted, target = _last(music, contested)
    for number in range(PEOPLE):
        Voice(music, 1_000 + number, user=True).choose(contested, wanted, 3)
    music.learn()
    return [
        _first(music, vague, _last(music, vague)[1]),
        Attack(insult, _last(music, insult)[1], lambda: _suggested(music, insult)),
        _first(music, contested, target),
        _first(music, title, _last(music, title)[1]),
    ]


def _first(music: Music, text: str, target: str) -> Attack:
    return Attack(text, target, lambda: _page(music, text)[0] == target)


def _page(music: Music, text: str) -> list[str]:
    return [hit.entity.id for hit in music.search(text).hits]


def _found_first(music: Music, song: Entity) -> bool:
    return _page(music, song.title)[:1] == [song.id]


def _last(music: Music, text: str) -> tuple[str, str]:
    """The last two hits of a page."""
    *_, one, other = _page(music, text)
    return one, other


def _suggested(music: Music, text: str) -> bool:
    suggestions = music.platform.searching.suggester.suggest(text[:-3], 10)
    return any(each.text == text for each in suggestions)

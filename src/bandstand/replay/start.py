"""Where every policy of a replay starts: a home with the catalogue, its indexes, and what came before any search."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import takewhile
from pathlib import Path

import orjson

from bandstand.catalog.readers.base import Rejected
from bandstand.errors import BadInput
from bandstand.files import write_file
from bandstand.replay.clock import VirtualClock
from bandstand.replay.contestants import contestant
from bandstand.replay.player import Player, Position
from bandstand.replay.settings import ReplaySettings
from bandstand.replay.stage import Stage, fill
from bandstand.replay.stream import Ask, Dataset, Deed, Moment, in_order
from bandstand.settings import Settings, load_settings

_NAMED = 20

_BEFORE_ANY_SEARCH = 5_000
"""How much behaviour is learned at once where nobody searches in between."""


class Rejections:
    """Rows that could not be used: how many, and the first few by name."""

    def __init__(self) -> None:
        self.count = 0
        self._reasons = Counter[str]()
        self._first: dict[str, int] = {}

    def __call__(self, row: Rejected) -> None:
        """One more."""
        self.count += 1
        self._reasons[row.reason] += 1
        self._first.setdefault(row.reason, row.line)

    def named(self) -> tuple[str, ...]:
        """The commonest reasons with their number and the first line."""
        return tuple(
            f"{n} × {reason} (first: line {self._first[reason]})" for reason, n in self._reasons.most_common(_NAMED)
        )

    def without(self, rows: Iterator[Moment | Rejected]) -> Iterator[Moment]:
        """The moments among the rows."""
        for row in rows:
            if isinstance(row, Rejected):
                self(row)
            else:
                yield row


class Start:
    """The home that every policy starts with: catalogue, indexes, and what was done before the first search."""

    def __init__(self, dataset: Dataset, settings: ReplaySettings, folder: Path) -> None:
        self.dataset, self.settings, self.folder = dataset, settings, folder
        self.home = folder / "home"
        chosen = {"deadline_ms": 60_000.0, "speculate": False, **dataset.settings, **dict(settings.platform)}
        self._platform = load_settings(**{**chosen, "home": self.home, "seed": settings.seed})
        self.refused = 0
        self.position = Position()

    def platform(self, home: Path) -> Settings:
        """The platform's settings: the replay's over the protocol's over the environment's where the replay began."""
        return self._platform.model_copy(update={"home": home})

    def moments(self, rejections: Rejections) -> Iterator[Moment]:
        """The stream within the bounds of the settings; searches outside are not counted."""
        settings = self.settings
        until = float("inf") if settings.until is None else settings.until
        moments = takewhile(lambda m: m.time < until, rejections.without(in_order(self.dataset.stream())))
        counted = 0
        for moment in moments:
            if isinstance(moment, Ask) and moment.counted:
                if settings.since is not None and moment.time < settings.since:
                    yield replace(moment, counted=False)
                    continue
                if counted == settings.limit:
                    return
                counted += 1
            yield moment

    def prepare(self, rejections: Rejections) -> None:
        """Build the home, or take up the one that an earlier run had finished."""
        done = self.folder / "done.json"
        if done.exists():
            state = orjson.loads(done.read_bytes())
            self.refused, self.position = state["refused"], Position(**state["position"])
            return
        shutil.rmtree(self.home, ignore_errors=True)
        self._build(rejections)
        self.refused = rejections.count
        state = {"refused": self.refused, "position": asdict(self.position)}
        write_file(done, orjson.dumps(state))

    def _build(self, rejections: Rejections) -> None:
        first = next(self.moments(Rejections()), None)
        if first is None:
            raise BadInput(f"{self.dataset.name}: the stream is empty")
        with Stage(self.platform(self.home), VirtualClock(first.time)) as stage:
            fill(stage, self.dataset.catalog(), rejections)
            stage.play_lessons()
            positions: list[Position] = []
            settings = replace(self.settings, learn_every=max(self.settings.learn_every, _BEFORE_ANY_SEARCH))
            player = Player(stage, contestant("all"), settings, checkpoint=positions.append)
            for moment in takewhile(lambda m: isinstance(m, Deed), self.moments(Rejections())):
                player.take(moment, lambda _: None)
            player.catch_up()
            self.position = positions[-1]

"""What a data set is to a replay: a catalogue, a stream of what happened in time order, and what answers a search."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandstand.catalog.columns import Columns
from bandstand.catalog.readers.base import Rejected
from bandstand.catalog.text import normalize
from bandstand.errors import BadInput
from bandstand.types import LOGGED_DEPTH, Entity, Event, Ordinals
from bandstand.types.hashing import digest

PLAY_GRADE = 2
"""From this grade on an answer is taught as a full play; below it, as a click."""


class Answer(NamedTuple):
    """An entity that was right for a search, how right (1 or more), and when that became known (unix seconds)."""

    entity_id: str
    grade: int
    time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A search with its answers.

    ``labels`` are segments, (name, value). A search that is not ``counted`` is answered and learned from, and left out
    of every figure. ``known`` are entities that the user had connected with this query before: where the stream is of
    new finds only, they are taken out of rankings before these are judged.
    """

    id: str
    time: float
    text: str
    user: str | None = None
    session: str | None = None
    answers: tuple[Answer, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    known: tuple[str, ...] = ()
    counted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """Behaviour without a search to judge: somebody chose an entity, perhaps with a query in mind."""

    id: str
    time: float
    entity_id: str
    grade: int = 1
    text: str = ""
    user: str | None = None
    session: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Entities that come into the catalogue, or change there."""

    time: float
    entities: tuple[Entity, ...]


Moment = Ask | Interaction | Release


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What figures are of: the data, the protocol that it was played by, and the SHA-256 of both.

    ``leaks`` says what is known there that should not be.
    """

    name: str
    protocol: str
    sha256: str
    leaks: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset(Provenance):
    """One data set under one protocol.

    ``catalog`` and ``stream`` start anew with every call and give the same again; ``stream`` is in time order, with the
    rows that cannot be used where they were met. ``settings`` are platform settings that the protocol calls for, by
    field of `bandstand.settings.Settings`.
    """

    catalog: Callable[[], Iterable[Entity | Rejected]]
    stream: Callable[[], Iterator[Moment | Rejected]]
    settings: Mapping[str, object] = field(default_factory=dict)


def in_order(moments: Iterable[Moment | Rejected]) -> Iterator[Moment | Rejected]:
    """The same, checked.

    Raises:
        BadInput: time runs backwards, an id comes twice in a row, or an answer comes before its search.
    """
    now, last = float("-inf"), None
    for moment in moments:
        if isinstance(moment, Rejected):
            yield moment
            continue
        if moment.time < now:
            raise BadInput(f"the stream runs backwards, from {now} to {moment.time}: its adapter must sort it")
        now = moment.time
        if isinstance(moment, Ask):
            if moment.id == last:
                raise BadInput(f"the search id {last!r} comes twice: its adapter must give every search its own")
            last = moment.id
            if any(answer.time < moment.time for answer in moment.answers):
                raise BadInput(
                    f"search {moment.id!r} has an answer before it was asked: its adapter must refuse the row"
                )
        yield moment


def sha256_of(paths: Iterable[Path], *parts: object) -> str:
    """SHA-256 in hex over the bytes of files, in order of their names, and over what else defines the data.

    Raises:
        BadInput: a file cannot be read.
    """
    found = hashlib.sha256(repr(parts).encode())
    for path in sorted(paths):
        found.update(path.name.encode())
        try:
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    found.update(block)
        except OSError as cause:
            raise BadInput(f"cannot read {path}: {cause.strerror}") from cause
    return found.hexdigest()


_PLAYED_SECONDS = 60.0


class Behaviour:
    """Events that are still to come, and which queries and users have been met in those that have come."""

    def __init__(self) -> None:
        self._coming: list[tuple[float, int, Event]] = []
        self._number = 0
        self._queries: set[bytes] = set()
        self._users: set[str] = set()
        self.come = 0

    def expect(self, moment: Moment) -> None:
        """What a moment will lead to."""
        events = (
            _answers(moment)
            if isinstance(moment, Ask)
            else [_interaction(moment)]
            if isinstance(moment, Interaction)
            else ()
        )
        for event in events:
            heapq.heappush(self._coming, (event.time, self._number, event))
            self._number += 1

    def until(self, time: float) -> Iterator[Event]:
        """What has been done by ``time``, one by one in order."""
        while self._coming and self._coming[0][0] <= time:
            yield self._next()

    def skip(self, count: int, *, until: float = float("inf")) -> None:
        """Let events pass until ``count`` have come in all."""
        while self.come < count and self._coming and self._coming[0][0] <= until:
            self._next()

    def knows(self, ask: Ask) -> tuple[bool, bool]:
        """Whether anybody has chosen anything for this query, and whether this user has chosen anything."""
        return query_digest(ask.text) in self._queries, bool(ask.user) and ask.user in self._users

    def _next(self) -> Event:
        event = heapq.heappop(self._coming)[2]
        self.come += 1
        self._queries.add(query_digest(event.user_query or ""))
        if event.user_id:
            self._users.add(event.user_id)
        return event


def query_digest(text: str) -> bytes:
    """8 bytes that are the same for every spelling that normalises alike."""
    return digest(normalize(text))


def _answers(ask: Ask) -> list[Event]:
    return [
        Event(
            id=f"{ask.id}/{number}",
            action=_action(answer.grade),
            time=answer.time,
            query_id=ask.id,
            user_query=ask.text,
            user_id=ask.user,
            session_id=ask.session,
            object_id=answer.entity_id,
            play_seconds=_PLAYED_SECONDS if answer.grade >= PLAY_GRADE else None,
        )
        for number, answer in enumerate(ask.answers)
    ]


def _interaction(interaction: Interaction) -> Event:
    return Event(
        id=interaction.id,
        action=_action(interaction.grade),
        time=interaction.time,
        user_query=interaction.text or None,
        user_id=interaction.user,
        session_id=interaction.session,
        object_id=interaction.entity_id,
        play_seconds=_PLAYED_SECONDS if interaction.grade >= PLAY_GRADE else None,
    )


def _action(grade: int) -> str:
    return "play" if grade >= PLAY_GRADE else "click"


OrdinalsOf = Callable[[Sequence[str]], Ordinals]
"""Ordinals of entity ids, -1 where unknown."""


class Judge:
    """The judgements of one search, for any number of rankings of it."""

    def __init__(self, ask: Ask, columns: Columns, ordinals: OrdinalsOf) -> None:
        self._columns = columns
        self._known = self._keys(ordinals(ask.known))
        places = ordinals([answer.entity_id for answer in ask.answers])
        self._wanted = self._best_grades(places, ask.answers)
        missing = {
            answer.entity_id: answer.grade for answer, place in zip(ask.answers, places, strict=True) if place < 0
        }
        self.grades = sorted([*self._wanted.values(), *missing.values()], reverse=True)

    def found(self, ranking: Ordinals) -> list[tuple[int, int]]:
        """(rank from 1, grade) of every answer within `LOGGED_DEPTH`, without what the user is known to have."""
        keys = self._columns.dedupe_key[ranking]
        if len(self._known):
            keys = keys[~np.isin(keys, self._known)]
        keys = keys[:LOGGED_DEPTH]
        wanted = np.fromiter(self._wanted, np.int64, len(self._wanted))
        hits, seen = [], set[int]()
        for place in np.flatnonzero(np.isin(keys, wanted)).tolist():
            key = int(keys[place])
            if key not in seen:
                seen.add(key)
                hits.append((place + 1, self._wanted[key]))
        return hits

    def pooled(self, candidates: Ordinals) -> int:
        """How many answers are among candidates, in any order and at any depth."""
        wanted = np.fromiter(self._wanted, np.int64, len(self._wanted))
        return int(np.isin(wanted, self._columns.dedupe_key[candidates]).sum())

    def right(self, ranking: Ordinals) -> NDArray[np.bool_]:
        """Which of a ranking's hits are answers; bool (n,)."""
        wanted = np.fromiter(self._wanted, np.int64, len(self._wanted))
        right: NDArray[np.bool_] = np.isin(self._columns.dedupe_key[ranking], wanted)
        return right

    def _best_grades(self, places: Ordinals, answers: Sequence[Answer]) -> dict[int, int]:
        grades: dict[int, int] = {}
        for place, answer in zip(places.tolist(), answers, strict=True):
            if 0 <= place < self._columns.n:
                key = int(self._columns.dedupe_key[place])
                grades[key] = max(grades.get(key, 0), answer.grade)
        return grades

    def _keys(self, places: Ordinals) -> NDArray[np.int64]:
        keys: NDArray[np.int64] = self._columns.dedupe_key[places[(places >= 0) & (places < self._columns.n)]]
        return keys

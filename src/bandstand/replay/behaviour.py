"""What people do after a search, by the time at which they do it."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from hashlib import blake2b

from bandstand.catalog.text import normalize
from bandstand.replay.stream import PLAY_GRADE, Ask, Deed, Moment
from bandstand.types import Event

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
        events = _answers(moment) if isinstance(moment, Ask) else [_deed(moment)] if isinstance(moment, Deed) else ()
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
    return blake2b(normalize(text).encode("utf-8", "replace"), digest_size=8).digest()


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


def _deed(deed: Deed) -> Event:
    return Event(
        id=deed.id,
        action=_action(deed.grade),
        time=deed.time,
        user_query=deed.text or None,
        user_id=deed.user,
        session_id=deed.session,
        object_id=deed.entity_id,
        play_seconds=_PLAYED_SECONDS if deed.grade >= PLAY_GRADE else None,
    )


def _action(grade: int) -> str:
    return "play" if grade >= PLAY_GRADE else "click"

"""The last searches of each session: whose failure a later success in the same session explains."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b

import orjson

from bandstand.learner.open_searches import KeyValue
from bandstand.types import Query

_PREFIX = b"session/"
_KEPT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class PastSearch:
    """One search of a session: when it was, and whether it satisfied."""

    query_id: str
    time: float
    satisfied: bool = False


class Sessions:
    """Recent searches by session; keys are hashes, so that no session id is kept."""

    def __init__(self, state: KeyValue) -> None:
        self._state = state

    def searched(self, query: Query) -> None:
        """A search began. Without a session id nothing is kept."""
        key = _key(query.session_id)
        if key is not None:
            search = PastSearch(query_id=query.id, time=query.time)
            self._put(key, hashed(query.actor), [*self._get(key)[1], search][-_KEPT:])

    def satisfied(self, session_id: str | None, query_id: str) -> list[PastSearch]:
        """A search satisfied; returns the searches of the session before it, newest first, once for each search."""
        key = _key(session_id)
        if key is None:
            return []
        who, past = self._get(key)
        places = [place for place, search in enumerate(past) if search.query_id == query_id]
        if not places or past[places[0]].satisfied:
            return []
        past[places[0]] = replace(past[places[0]], satisfied=True)
        self._put(key, who, past)
        return past[: places[0]][::-1]

    def forget(self, who: str) -> None:
        """Drop every session of one actor (a hash, see `hashed`)."""
        for key, raw in self._state.scan(_PREFIX):
            if orjson.loads(raw)[0] == who:
                self._state.delete(key)

    def expire(self, before: float) -> int:
        """Drop sessions whose last search is older; returns how many."""
        old = [key for key, raw in self._state.scan(_PREFIX) if orjson.loads(raw)[1][-1][1] < before]
        for key in old:
            self._state.delete(key)
        return len(old)

    def _get(self, key: bytes) -> tuple[str, list[PastSearch]]:
        raw = self._state.get(key)
        if raw is None:
            return "", []
        who, rows = orjson.loads(raw)
        return who, [PastSearch(query_id=row[0], time=row[1], satisfied=row[2]) for row in rows]

    def _put(self, key: bytes, who: str, past: list[PastSearch]) -> None:
        rows = [(search.query_id, search.time, search.satisfied) for search in past]
        self._state.put(key, orjson.dumps((who, rows)))


def hashed(actor: str | None) -> str:
    """An actor as 16 hex digits (empty for nobody), so that the learner's state names no user."""
    return blake2b(actor.encode("utf-8", "replace"), digest_size=8).hexdigest() if actor else ""


def _key(session_id: str | None) -> bytes | None:
    return _PREFIX + hashed(session_id).encode() if session_id else None

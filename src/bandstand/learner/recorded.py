"""Pages with and without each expensive retriever, kept until their search settles and they can be judged."""

from __future__ import annotations

from dataclasses import replace

from bandstand.feedback.ablation import ABLATION, Ablation, ablation_of
from bandstand.feedback.codec import decode_event, encode_event
from bandstand.learner.open_searches import KeyValue, OpenSearches
from bandstand.types import Event

_PREFIX = b"ablation/"


class Recorded:
    """The records of searches that have not settled; one that comes later teaches the bandit nothing more."""

    def __init__(self, state: KeyValue, searches: OpenSearches) -> None:
        self._state = state
        self._open = searches

    def keep(self, event: Event) -> bool:
        """Whether an event is a record; it is kept if its search is open."""
        if event.action != ABLATION or event.query_id is None:
            return False
        search = self._open.get(event.query_id)
        if search is not None and not search.settled:
            # Who searched is not kept: freed pages of the state may hold what was deleted.
            nobodys = replace(event, user_id=None, session_id=None, client_id=None)
            self._state.put(_key(event.query_id), encode_event(nobodys))
        return True

    def take(self, query_id: str) -> Ablation | None:
        """The record of a search that settles, or is forgotten: it is not kept any longer."""
        raw = self._state.get(_key(query_id))
        if raw is None:
            return None
        self._state.delete(_key(query_id))
        return ablation_of(decode_event(raw))


def _key(query_id: str) -> bytes:
    return _PREFIX + query_id.encode()

"""Which search an event belongs to, and to which of its hits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from bandstand.feedback.fields import text
from bandstand.types import Event, Impression, Query

RELATED_TO = "related_to"
"""Names, in ``event_attributes``, the entity beside which the acted-on one was offered."""


def related_to(event: Event) -> str | None:
    """The id of the entity as related to which this one was offered; None where it was not.

    Such an event is about the two entities, not about the search beside whose hits they may have stood: it belongs to
    no search, and teaches no query.
    """
    if RELATED_TO not in event.payload:  # nearly always, and cheaper than reading the payload
        return None
    attributes = orjson.loads(event.payload).get("event_attributes") or {}
    return text(attributes.get(RELATED_TO), RELATED_TO, len(event.payload))


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Events belong to the search that they name, within ``window`` seconds after it.

    A client's clock may run up to ``skew`` seconds behind, so that its events seem to precede their search.
    """

    window: float = 1800.0
    skew: float = 60.0

    def in_window(self, impression: Impression, event: Event) -> bool:
        """Whether the event names this search, is about one of its hits, and came while that could be its cause."""
        return self.follows(impression, event) and related_to(event) is None

    def follows(self, impression: Impression, event: Event) -> bool:
        """Whether the event names this search, and came while that could be its cause.

        What is only claimed must also be possible: by who asked, and no longer played than there was time for.
        """
        delay = event.time - impression.query.time
        if event.query_id != impression.query.id or not -self.skew <= delay <= self.window:
            return False
        if event.claimant is None:
            return True
        return _one_person(impression.query, event) and (event.play_seconds or 0.0) <= delay + self.skew

    def of(self, impression: Impression, events: Iterable[Event]) -> tuple[Event, ...]:
        """Those of ``events`` that belong to this search, in their order."""
        return tuple(event for event in events if self.in_window(impression, event))


def _one_person(query: Query, event: Event) -> bool:
    """Whether nothing says that somebody else asked: a query's id is known to nobody but who was answered."""
    user, session = {query.user_id, event.user_id} - {None}, {query.session_id, event.session_id} - {None}
    return len(user) < 2 and len(session) < 2


def position_of(impression: Impression, event: Event) -> int | None:
    """The hit's place from 1 over the whole ranking, found by its id; None outside the logged head.

    The position that the client claims counts only where it names no object: a page may have been re-ordered
    there, and anybody can claim to have clicked on the first hit.
    """
    if event.object_id is None:
        claimed = event.position
        return claimed if claimed is not None and 1 <= claimed <= len(impression.entity_ids) else None
    try:
        return impression.entity_ids.index(event.object_id) + 1
    except ValueError:
        return None

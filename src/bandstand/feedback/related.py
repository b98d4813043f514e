"""Events on an entity that was offered as related to another, rather than found by a search."""

from __future__ import annotations

import orjson

from bandstand.feedback.fields import text
from bandstand.types import Event

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

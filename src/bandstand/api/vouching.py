"""In whose name events come, and who vouches: the caller's proved user, whomever an import names, or nobody."""

from __future__ import annotations

from dataclasses import replace

from bandstand.access.callers import Caller
from bandstand.errors import Forbidden
from bandstand.feedback.ubi_events import ParsedEvents, Rejected
from bandstand.types import Event


def vouched(parsed: ParsedEvents, caller: Caller) -> ParsedEvents:
    """The events that the caller may send, each with the user that is proved; the others are rejected.

    Where a user is proved and an event names none, it is that user's. What comes from a caller that may not import is
    claimed: it counts as far as the log bears it out.
    """
    if caller.may("import") and caller.user is None:
        return parsed
    found = ParsedEvents([], list(parsed.rejected))
    for index, event in parsed.events:
        try:
            found.events.append((index, _vouched(event, caller)))
        except Forbidden as error:
            found.rejected.append(Rejected(index, str(error)))
    found.rejected.sort(key=lambda rejected: rejected.index)
    return found


def _vouched(event: Event, caller: Caller) -> Event:
    user = caller.speaks_for(event.user_id)
    if event.query_id is None:
        caller.check("import", "an event without query_id")
    return replace(event, user_id=user, claimant=caller.claimant)

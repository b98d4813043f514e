"""UBI 1.3 as NDJSON: every search and every event, in the order of the log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO

import orjson

from bandstand.feedback.entries import LogEntry
from bandstand.feedback.ubi import event_to_ubi, query_to_ubi
from bandstand.types import Event, Impression


def write_ubi(entries: Iterable[LogEntry], out: IO[bytes], *, features: bool = False) -> int:
    """One document a line, an event having ``action_name`` and a query ``query_response_hit_ids``; returns how many.

    Events that belong to no search are written too; control records are Bandstand's own and are not.
    """
    count = 0
    for entry in entries:
        if isinstance(entry.record, Impression):
            document = query_to_ubi(entry.record, features=features)
        elif isinstance(entry.record, Event):
            document = event_to_ubi(entry.record)
        else:
            continue
        out.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))
        count += 1
    return count

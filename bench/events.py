"""What an event costs until it is on disk, in batches and from many callers at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bandstand.feedback.sqlite_log import SqliteLog
from bandstand.feedback.ubi_events import parse_event
from bandstand.types import Event
from bench.figures import Figure

BATCH = 500
BATCHES = 20
CALLERS = 32
CALLS = 100


def event_figures(scratch: Path) -> list[Figure]:
    """Durable events a second."""
    log = SqliteLog(scratch / "log.sqlite", clock=time.time)
    batches = [[_event(f"b{batch}-{number}") for number in range(BATCH)] for batch in range(BATCHES)]
    started = time.perf_counter()
    for batch in batches:
        log.append_events(batch)
    batched = BATCH * BATCHES / (time.perf_counter() - started)
    singles = [[_event(f"s{caller}-{number}") for number in range(CALLS)] for caller in range(CALLERS)]
    started = time.perf_counter()
    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(lambda events: [log.append_events([event]) for event in events], singles))
    single = CALLERS * CALLS / (time.perf_counter() - started)
    log.close()
    return [
        Figure(name=f"events durable, batches of {BATCH}", value=batched, unit="/s", aim=5_000, at_least=True),
        Figure(name=f"events durable, {CALLERS} callers with one each", value=single, unit="/s"),
    ]


def _event(name: str) -> Event:
    raw = {
        "action_name": "click",
        "event_id": name,
        "query_id": f"q-{name}",
        "user_id": "u",
        "event_attributes": {"object": {"object_id": "track:one"}, "position": {"ordinal": 1}},
    }
    return parse_event(raw, now=1_700_000_000.0)

"""A flood of events: how long operators' orders and deletions take meanwhile, and the searches of everybody else."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import numpy as np

from bench.figures import Figure, percentiles
from bench.served import serving
from bench.slow_connections import searching

EVENTS = 60_000
_AT_ONCE = 5_000
_IDLE_S = 5.0
_SOON_S = 2.0
_TIMES_IDLE = 1.5


def flood_figures(home: Path) -> Sequence[Figure]:
    """Sixty thousand events at once, each by another visitor, then a block and a deletion."""
    with serving(home, bulk_within_seconds=0) as address, httpx.Client(base_url=address, timeout=120) as client:
        page = client.post("/v1/search", json={"query": "sad songs", "user_id": "leaver"}).json()
        entities = [hit["entity_id"] for hit in page["hits"]]
        with searching(address) as idle:
            time.sleep(_IDLE_S)
        sent_s = _flood(client, entities)
        with searching(address) as meanwhile:
            waiting = client.get("/readyz").json()["learning"]["waiting"]
            edit = {"action": "block", "query": "sad songs", "entity_id": entities[0]}
            block_s, edited = _timed(client, "POST", "/v1/dashboard/edits", json=edit)
            delete_s, deleted = _timed(client, "DELETE", "/v1/users/leaver")
            left = client.get("/readyz").json()["learning"]["waiting"]
    return [
        Figure(
            name="events accepted",
            value=EVENTS,
            unit="",
            note=f"in {sent_s:.1f} s; {waiting} waited when the orders came",
        ),
        Figure(
            name="a block is carried out",
            value=block_s,
            unit="s",
            aim=_SOON_S,
            note=f"{edited.status_code}, {edited.json()}",
        ),
        Figure(
            name="a user is forgotten",
            value=delete_s,
            unit="s",
            aim=_SOON_S,
            note=f"{deleted.status_code}; {left} waited still",
        ),
        *percentiles("searches of others, idle", idle),
        *percentiles("searches of others, meanwhile", meanwhile, {50: _TIMES_IDLE * float(np.median(idle))}),
    ]


def _flood(client: httpx.Client, entities: list[str]) -> float:
    """Send all of them; seconds that took."""
    began = time.perf_counter()
    for first in range(0, EVENTS, _AT_ONCE):
        events = [
            {
                "event_id": f"flood {number}",
                "action_name": "click",
                "object_id": entities[number % len(entities)],
                "user_query": f"query {number % 500}",
                "user_id": f"user {number}",
            }
            for number in range(first, first + _AT_ONCE)
        ]
        client.post("/v1/events", json=events).raise_for_status()
    return time.perf_counter() - began


def _timed(client: httpx.Client, method: str, path: str, **body: object) -> tuple[float, httpx.Response]:
    began = time.perf_counter()
    answer = client.request(method, path, **body)
    return time.perf_counter() - began, answer

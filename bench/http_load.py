"""Searches and events over HTTP at fixed rates, and what became of each: status, time, arms that failed."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from bandstand.catalog.bundled import load_bundled

SEARCHES_A_SECOND, EVENTS_A_SECOND = 20, 50
PATIENCE_S = 60.0
"""How long the generator waits: longer than any queue of the service, so that only what is never answered is lost."""

NO_ANSWER = "none"
"""What is counted in the place of a status where there was no HTTP answer."""

_SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
_DEGRADED = frozenset({"failed", "late"})


@dataclass
class Seen:
    """What one run answered: searches by status and by which arms failed, times, and the ids of accepted events."""

    searches: Counter[str] = field(default_factory=Counter)
    degraded: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    milliseconds: list[float] = field(default_factory=list)
    retry_after: Counter[str] = field(default_factory=Counter)
    no_answer: Counter[str] = field(default_factory=Counter)
    accepted: set[str] = field(default_factory=set)
    pages: list[tuple[str, str]] = field(default_factory=list)

    def report(self) -> dict[str, Any]:
        """The counts, and percentiles of the times of answered searches."""
        times = sorted(self.milliseconds) or [0.0]
        at = {name: round(times[min(int(share * len(times)), len(times) - 1)], 1) for name, share in _SHARES.items()}
        return {
            "searches": dict(self.searches),
            "search_ms": at,
            "searches_with_a_failed_arm": dict(self.degraded),
            "retry_after": dict(self.retry_after),
            "events": dict(self.events),
            "accepted_ids": len(self.accepted),
            "no_answer_because": dict(self.no_answer),
        }


class Load:
    """Sends searches and events to ``addresses`` in turns, at fixed rates, whatever becomes of them."""

    def __init__(self, client: httpx.AsyncClient, addresses: Sequence[str], seed: int) -> None:
        self._client, self._addresses, self._rng = client, addresses, random.Random(seed)
        self._titles = [entity.title for entity in load_bundled() if entity.kind == "track"]
        self.seen = Seen()

    async def run(self, seconds: float, faults: Sequence[tuple[float, Callable[[], object]]]) -> Seen:
        """Load for so long; each fault is called at its second."""
        self.seen = Seen()
        running = [
            self._at_rate(self._search, SEARCHES_A_SECOND, seconds),
            self._at_rate(self._event, EVENTS_A_SECOND, seconds),
            *(self._later(moment, fault) for moment, fault in faults),
        ]
        await asyncio.gather(*running)
        return self.seen

    async def _later(self, moment: float, fault: Callable[[], object]) -> None:
        await asyncio.sleep(moment)
        await asyncio.to_thread(fault)

    async def _at_rate(self, send: Callable[[int], Awaitable[None]], rate: int, seconds: float) -> None:
        began, sent = time.monotonic(), []
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
            sent.append(asyncio.ensure_future(send(number)))
        await asyncio.gather(*sent)

    async def _search(self, number: int) -> None:
        body = {"query": self._rng.choice(self._titles), "user_id": f"u{number % 50}"}
        began = time.monotonic()
        answer = await self._post(number, "/v1/search", body, self.seen.searches)
        if answer is None:
            return
        if answer.status_code != 200:
            self.seen.retry_after[answer.headers.get("retry-after", "none")] += 1
            return
        self.seen.milliseconds.append((time.monotonic() - began) * 1e3)
        page = answer.json()
        if failed := [arm["arm"] for arm in page["decision"]["arms"] if arm["status"] in _DEGRADED]:
            self.seen.degraded["+".join(failed)] += 1
        if page["hits"]:
            self.seen.pages.append((page["query_id"], page["hits"][0]["entity_id"]))

    async def _event(self, number: int) -> None:
        query_id, entity = self._rng.choice(self.seen.pages) if self.seen.pages else ("none", "none")
        name = uuid.uuid4().hex
        body = {
            "event_id": name,
            "action_name": "click",
            "query_id": query_id,
            "user_id": f"u{number % 50}",
            "event_attributes": {"object": {"object_id": entity}, "position": {"ordinal": 1}},
        }
        answer = await self._post(number, "/v1/events", body, self.seen.events)
        if answer is not None and answer.status_code == 202 and answer.json()["accepted"] == 1:
            self.seen.accepted.add(name)

    async def _post(self, number: int, path: str, body: dict[str, Any], counted: Counter[str]) -> httpx.Response | None:
        """The answer, counted by its status; None where there was none, counted by why."""
        began = time.monotonic()
        try:
            answer = await self._client.post(self._addresses[number % len(self._addresses)] + path, json=body)
        except httpx.HTTPError as error:
            counted[NO_ANSWER] += 1
            waited = time.monotonic() - began
            self.seen.no_answer[f"{path}: {type(error).__name__} {error} after {waited:.1f} s"] += 1
            return None
        counted[str(answer.status_code)] += 1
        return answer

"""The route of feedback: UBI events in, acknowledged once they are on disk."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request

from bandstand.api.answers import EventsAnswer
from bandstand.api.described import answered
from bandstand.api.json_answer import JsonAnswer
from bandstand.api.schemas import EVENTS_BODY
from bandstand.api.state import MetricsOf, ServiceOf
from bandstand.engine.answers import Json
from bandstand.feedback.log import Log
from bandstand.feedback.ubi import ParsedEvents, parse_events

router = APIRouter(prefix="/v1", tags=["events"])


@router.post(
    "/events",
    summary="UBI 1.3 events: one, a list, or NDJSON",
    status_code=202,
    responses=answered(EventsAnswer, 413, 422, 503, status=202),
    openapi_extra=EVENTS_BODY,
)
async def log_events(request: Request, service: ServiceOf, metrics: MetricsOf, wait: bool = False) -> JsonAnswer:
    """Accepted events are on disk when this answers; with `wait=true` the memory has learned from them too.

    A repeated event changes nothing: its id is the given `event_id`, else a hash of its content. An event that cannot
    be used is named, and the others are accepted; also while searches are not possible yet.
    """
    intake, body = service.intake, await request.body()
    parsed = await asyncio.to_thread(parse_events, body, request.headers.get("content-type"), now=intake.clock())
    answer, last_seq = await asyncio.to_thread(_append, intake.log, parsed)
    metrics.received(accepted=answer["accepted"], duplicates=answer["duplicates"], rejected=len(answer["rejected"]))
    metrics.acted(event.action for _, event in parsed.events)
    if wait:
        answer["learned"] = await service.until(lambda: service.learned(last_seq))
    return JsonAnswer(answer, status_code=202)


def _append(log: Log, parsed: ParsedEvents) -> tuple[Json, int]:
    """The answer, and the log's seq up to which it stands."""
    appended = log.append_events([event for _, event in parsed.events])
    rejected = [{"index": item.index, "reason": item.reason} for item in parsed.rejected]
    answer = {"accepted": appended.accepted, "duplicates": appended.duplicates, "rejected": rejected}
    return answer, appended.last_seq

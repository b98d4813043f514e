"""Routes of feedback: events acknowledged once they are on disk, operators' commands, and forgetting a user."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request

from bandstand.api.answers import EventsAnswer, ForgottenAnswer
from bandstand.api.routing import ADMIN, USER, JsonAnswer, MetricsOf, ServiceOf, UserId, answered
from bandstand.api.schemas import EVENTS_BODY
from bandstand.api.service import Service
from bandstand.app.searching import SearchingSide
from bandstand.engine.answers import Json
from bandstand.errors import Unavailable
from bandstand.feedback.log import Log
from bandstand.feedback.ubi_events import ParsedEvents, parse_events
from bandstand.learner.apply import COMMAND, FORGET_USER

_WAIT_S = 5.0


async def give_command(service: Service, kind: str, payload: Mapping[str, Any]) -> bool:
    """Append a control record; durable when this returns. Whether the learner has carried it out by then.

    Raises:
        StorageError, Unavailable: it could not be written.
    """
    home = service.home
    seq = await asyncio.to_thread(home.log.append_control, kind, payload)
    done = await service.until(lambda: home.log.reached(home.memory.position(), seq), seconds=_WAIT_S)
    await asyncio.to_thread(home.refresh)
    return done


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


users_router = APIRouter(prefix="/v1/users", tags=["users"])


@users_router.delete(
    USER, dependencies=ADMIN, summary="Forget a user", responses=answered(ForgottenAnswer, 403, 422, 503)
)
async def forget_user(user_id: UserId, service: ServiceOf) -> JsonAnswer:
    """Everything personal is gone when this answers: memory, history, logged searches and events.

    Counts that the user's choices added to what everybody shares stay, without a name.
    """
    home = service.home
    deleted = await asyncio.to_thread(home.log.delete_user, user_id)
    seq = await asyncio.to_thread(home.log.append_control, FORGET_USER, {"user_id": user_id})
    if not await service.until(lambda: _carried_out(home, seq)):
        raise Unavailable("the order is on disk, but the learner has not carried it out yet: ask again", retry_after=5)
    return JsonAnswer({"user_id": user_id, "deleted": deleted})


def _carried_out(home: SearchingSide, seq: int) -> bool:
    """Whether the learner has read the order, and owes no order any more: it erases the order itself as the last."""
    return home.log.reached(home.memory.position(), seq) and home.memory.state(COMMAND) is None

"""Routes of feedback: events acknowledged once they are on disk, operators' commands, and forgetting a user."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from itertools import chain, islice
from typing import Annotated, Any

import msgspec
from anyio import from_thread
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from msgspec import UNSET, Meta, UnsetType

from bandstand.access.callers import Caller
from bandstand.api.access import CallerOf
from bandstand.api.metrics import Metrics
from bandstand.api.routing import USER, JsonAnswer, MetricsOf, ServiceOf, UserId, answered, problems
from bandstand.api.schemas import EVENTS_BODY
from bandstand.api.service import Service
from bandstand.api.vouching import vouched
from bandstand.app.disclosure import Disclosure
from bandstand.app.personal import order_to_forget
from bandstand.app.searching import SearchingSide
from bandstand.errors import BandstandError, Unavailable
from bandstand.feedback.log import Appended
from bandstand.feedback.ubi_events import ParsedEvents, Rejected, parse_events
from bandstand.learner.apply import COMMAND, OBEYED, URGENT
from bandstand.types import Boundary
from bandstand.types.actions import ACTIONS
from bandstand.types.answers import Answer

_WAIT_S = 5.0
NDJSON = "application/x-ndjson"


class EditedAnswer(Answer):
    """What an order has made: a change, or one undone; `carried_out` false where the learner has not come to it yet."""

    id: str
    carried_out: bool


def give_command(service: Service, kind: str, payload: Mapping[str, Any]) -> EditedAnswer:
    """Append a control record; durable when this returns. Called by routes that run in the pool of threads.

    Raises:
        StorageError, Unavailable: it could not be written.
    """
    home = service.home
    seq = home.log.append_control(kind, payload)
    waiting = partial(service.until, lambda: _obeyed(home, kind, seq), seconds=_WAIT_S)
    done = from_thread.run(waiting)
    home.refresh()
    return EditedAnswer(id=payload["id"], carried_out=done)


class EventsAnswer(Answer):
    """What became of the events; a rejected one is named by its place in the request, from 0."""

    accepted: int
    duplicates: int
    rejected: list[Rejected]
    learned: Annotated[bool | UnsetType, Meta(description="Only with `wait`: whether that was reached in time")] = UNSET
    without_effect: Annotated[
        list[Rejected] | UnsetType,
        Meta(description="Accepted events that teach nothing as they stand, and why; left out where there are none"),
    ] = UNSET


router = APIRouter(prefix="/v1", tags=["events"])


@router.post(
    "/events",
    summary="UBI 1.3 events: one, a list, or NDJSON",
    status_code=202,
    responses=answered(EventsAnswer, 413, 422, 429, 503, status=202),
    openapi_extra=EVENTS_BODY,
)
async def log_events(
    request: Request, service: ServiceOf, metrics: MetricsOf, caller: CallerOf, wait: bool = False
) -> JsonAnswer:
    """Accepted events are on disk when this answers; with `wait=true` the memory has learned from them too.

    A repeated event changes nothing: its id is the given `event_id`, else a hash of its content. An event that cannot
    be used is named, and the others are accepted; also while searches are not possible yet. One that names no object,
    or none of the catalogue, is accepted and named too: it teaches nothing as it stands. While learning is far behind,
    more than ten at a time are answered 429.
    """
    return await take_in(await request.body(), request.headers.get("content-type"), service, metrics, caller, wait=wait)


async def take_in(
    body: bytes, content_type: str | None, service: Service, metrics: Metrics, caller: Caller, *, wait: bool = False
) -> JsonAnswer:
    """Append what a body holds, and answer once that is on disk; with ``wait`` once it is learned from, or in vain.

    Raises:
        TooLarge, BadInput: the body cannot be used as a whole.
        TooMany: there are many events, and learning is behind.
        StorageError, Unavailable: nothing can be written.
    """
    intake = service.intake

    def work() -> tuple[ParsedEvents, Appended, list[Rejected]]:
        parsed = vouched(parse_events(body, content_type, now=intake.clock()), caller)
        service.check_bulk(len(parsed.events))
        appended = intake.log.append_events([event for _, event in parsed.events])
        return parsed, appended, _without_effect(service, parsed, caller.within)

    parsed, appended, unused = await asyncio.to_thread(work)
    metrics.received(accepted=appended.accepted, duplicates=appended.duplicates, rejected=len(parsed.rejected))
    metrics.acted(event.action for _, event in parsed.events)
    learned = await service.until(lambda: service.learned(appended.last_seq)) if wait else UNSET
    answer = EventsAnswer(
        accepted=appended.accepted,
        duplicates=appended.duplicates,
        rejected=parsed.rejected,
        learned=learned,
        without_effect=unused or UNSET,
    )
    return JsonAnswer(answer, status_code=202)


_CATALOGUE_S = 0.5
"""Events are stored whether or not the catalogue answers: a cluster's is not waited for."""


def _without_effect(service: Service, parsed: ParsedEvents, within: Boundary) -> list[Rejected]:
    """Actions that would teach, on no object or on one that the catalogue lacks; while that is away, only the former.

    They are kept all the same: what was done is on record, and the entity may yet be ingested. Whoever does not see all
    of the catalogue does not hear from here what is in it.
    """
    acts = [(index, event.object_id) for index, event in parsed.events if event.action in ACTIONS]
    found = [Rejected(index, "it names no object") for index, object_id in acts if object_id is None]
    named = [(index, object_id) for index, object_id in acts if object_id is not None and not within]
    with suppress(BandstandError):
        ordinals = service.home.store.ordinals([object_id for _, object_id in named], within_s=_CATALOGUE_S)
        found += [
            Rejected(index, f"the catalogue has no entity {object_id!r}")
            for (index, object_id), ordinal in zip(named, ordinals.tolist(), strict=True)
            if ordinal < 0
        ]
    return sorted(found, key=lambda each: each.index)


class DeletedAnswer(Answer):
    """How many logged records of a user there were."""

    impressions: int
    events: int


class ForgottenAnswer(Answer):
    """A user is forgotten."""

    user_id: str
    deleted: DeletedAnswer


users_router = APIRouter(prefix="/v1/users", tags=["users"])


@users_router.delete(USER, summary="Forget a user", responses=answered(ForgottenAnswer, 422, 503))
def forget_user(user_id: UserId, service: ServiceOf, caller: CallerOf) -> JsonAnswer:
    """Everything personal is gone when this answers: memory, history, logged searches and events, sessions too.

    Within a minute no file holds a byte of it. What enough others agree on stays, without a name. Whose user token
    proves that they are that user may ask for it, and who has a key with the scope `admin`.
    """
    if user_id != caller.user:
        caller.check("admin", "to forget somebody else")
    home = service.home
    service.forget_shown(user_id)
    ordered = order_to_forget(home.log, user_id)
    if not from_thread.run(service.until, lambda: _carried_out(home, ordered.seq)):
        raise Unavailable("the order is on disk, but the learner has not carried it out yet: ask again", retry_after=5)
    return JsonAnswer(ForgottenAnswer(user_id=user_id, deleted=DeletedAnswer(**ordered.deleted)))


@users_router.get(
    f"{USER}/export",
    summary="What is held of a user",
    responses={200: {"content": {NDJSON: {}}}, **problems(422, 503)},
    response_class=Response,
)
def export_user(user_id: UserId, service: ServiceOf, caller: CallerOf) -> Response:
    """Searches, events and what was learned from them, one JSON object a line; `what` says which it is.

    Whose user token proves that they are that user may ask for it, and who has a key with the scope `admin`.
    """
    if user_id != caller.user:
        caller.check("admin", "to read what is held of somebody else")
    home = service.home
    held = Disclosure(home.log, home.memory, home.store).of(user_id)
    first = list(islice(held, 1))  # what cannot be read is told before the answer has begun
    return StreamingResponse((msgspec.json.encode(each) + b"\n" for each in chain(first, held)), media_type=NDJSON)


def _carried_out(home: SearchingSide, seq: int) -> bool:
    """Whether the learner has read the order, and owes no order any more: it erases the order itself as the last."""
    return home.log.reached(home.memory.position(), seq) and home.memory.state(COMMAND) is None


def _obeyed(home: SearchingSide, kind: str, seq: int) -> bool:
    """Whether the learner has come to an order, which it may before its place in the log."""
    first = int(home.memory.state(OBEYED) or b"0") if kind in URGENT else 0
    return home.log.reached(max(home.memory.position(), first), seq)

"""The route of forgetting: everything that is one user's goes."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter

from bandstand.api.answers import ForgottenAnswer
from bandstand.api.described import answered
from bandstand.api.json_answer import JsonAnswer
from bandstand.api.paths import USER, UserId
from bandstand.api.state import ADMIN, ServiceOf
from bandstand.errors import Unavailable
from bandstand.home import Home
from bandstand.learner.apply import FORGET_USER, ORDER

router = APIRouter(prefix="/v1/users", tags=["users"])


@router.delete(USER, dependencies=ADMIN, summary="Forget a user", responses=answered(ForgottenAnswer, 403, 422, 503))
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


def _carried_out(home: Home, seq: int) -> bool:
    """Whether the learner has read the order, and owes no order any more: it erases the order itself as the last."""
    return home.log.reached(home.memory.position(), seq) and home.memory.state(ORDER) is None

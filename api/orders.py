"""Operators' orders: written to the log, and waited for until the learner has carried them out."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any

from bandstand.api.service import Service

_WAIT_S = 5.0


def new_order_id(now: float) -> str:
    """An id that sorts by time, of milliseconds since 1970 and six random hex digits."""
    return f"{int(now * 1000):012x}-{secrets.token_hex(3)}"


async def give_order(service: Service, kind: str, payload: Mapping[str, Any]) -> bool:
    """Append a control record; durable when this returns. Whether the learner has carried it out by then.

    Raises:
        StorageError, Unavailable: it could not be written.
    """
    home = service.home
    seq = await asyncio.to_thread(home.log.append_control, kind, payload)
    done = await service.until(lambda: home.log.reached(home.memory.position(), seq), seconds=_WAIT_S)
    await asyncio.to_thread(home.refresh)
    return done

"""Operators' orders: written to the log, and waited for until the learner has carried them out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from bandstand.api.service import Service

_WAIT_S = 5.0


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

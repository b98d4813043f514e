"""Who calls: the server behind checks every login, and is asked once for each in a while."""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from bandstand.subsonic.call import Call
from bandstand.subsonic.protocol import Object
from bandstand.subsonic.upstream import Headers, Upstream

_KEPT_S = 300.0
_MOST = 4_096


@dataclass(frozen=True, slots=True)
class Login:
    """An account that the server accepts, under its name there.

    ``envelope`` is what the server's answers say of themselves, ``headers`` what they tell browsers about pages of
    other sites.
    """

    user: str
    envelope: Object
    headers: Headers


class Logins:
    """Accepted logins of the last minutes, by a hash: no password or token is kept longer than a request."""

    def __init__(self, upstream: Upstream, clock: Callable[[], float] = time.monotonic) -> None:
        self._upstream, self._clock = upstream, clock
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, tuple[float, Login]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Login | None]] = {}

    async def of(self, call: Call, origin: bytes = b"") -> Login | None:
        """The login of a call from a page of ``origin``; None where the server refuses it, or cannot be asked so.

        Raises:
            Unavailable: the server cannot be reached.
        """
        key = hmac.digest(self._key, repr((sorted(call.login.items()), origin)).encode(), "sha256")
        expires, login = self._known.get(key, (0.0, None))
        if login is not None and self._clock() < expires:
            return login
        if key not in self._asking:  # else somebody is asking already
            task = asyncio.ensure_future(self._asked(key, call, origin))
            task.add_done_callback(lambda _: self._asking.pop(key, None))
            self._asking[key] = task
        return await asyncio.shield(self._asking[key])

    async def _asked(self, key: bytes, call: Call, origin: bytes) -> Login | None:
        by_key = "apiKey" in call.login
        asked = await self._upstream.ask(
            "tokenInfo" if by_key else "ping", call.login, [(b"origin", origin)] if origin else []
        )
        content = asked.content or {}
        user = (content.get("tokenInfo") or {}).get("username") if by_key else call.first("u")
        if content.get("status") != "ok" or not user:
            return None
        envelope = {name: value for name, value in content.items() if not isinstance(value, (dict, list))}
        headers = [(name, value) for name, value in asked.headers if name.lower().startswith(b"access-control-")]
        login = Login(str(user), envelope, headers)
        self._known[key] = (self._clock() + _KEPT_S, login)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
        return login

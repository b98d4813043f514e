"""Who asks, and whether they may: the key, its scope, its origins, its rate, and the user that is proved."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Annotated, NamedTuple

import structlog
from fastapi import Depends, Request
from starlette.types import Scope as Connection

from bandstand.access.callers import Caller
from bandstand.access.keyring import Keyring
from bandstand.access.keys import ANY_ORIGIN, Grant, Key, unguessable
from bandstand.access.limits import Buckets, Drawn
from bandstand.access.scopes import Scope
from bandstand.access.user_tokens import proved_user
from bandstand.api.metrics import Metrics
from bandstand.api.scopes import scope_of
from bandstand.errors import Forbidden, TooMany, Unauthorized
from bandstand.types import Clock

FOREIGN, HEADERS, CALLER = "bandstand.foreign", "bandstand.headers", "bandstand.caller"
"""In a connection's scope: the other site whose page asks, headers that the answer is to carry, who was admitted."""

_WRONG_RATE, _WRONG_ROOM = 0.2, 10
"""Wrong keys that an address may try: ten at once, then one every five seconds."""


class Credentials(NamedTuple):
    """What came with a request: a key's secret, and a user token."""

    secret: str | None
    token: str | None


class Gate:
    """Lets requests pass, or says why not. For the thread of the event loop; ``monotonic`` measures seconds."""

    def __init__(
        self,
        keys: Keyring,
        metrics: Metrics,
        *,
        token_secret: str | None,
        clock: Clock = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys, self._metrics = keys, metrics
        self._token_secret, self._clock = token_secret, clock
        self._rates, self._wrong = Buckets(monotonic), Buckets(monotonic)

    def admit(self, connection: Connection, needed: Scope) -> Caller:
        """Who asks for something that needs a scope.

        Raises:
            Unauthorized: the key or the user token is missing, unknown, or has expired.
            Forbidden: the key does not open this, or not for a page of that site.
            TooMany: the key is used too often, or too many wrong ones came from the address.
            Unavailable: the keys are not known yet.
        """
        secret, token = _credentials(connection)
        address = connection["client"][0] if connection.get("client") else ""
        key = self._key_of(secret, needed, address)
        caller = Caller(key, self._user_of(token, address), address)
        caller.check(needed, "this")
        _check_origin(key, connection.get(FOREIGN))
        if key.grant.rate is not None:
            self._check_rate(key, key.grant.rate, address, connection)
        return caller

    def opens(self, connection: Connection, needed: Scope) -> bool:
        """Whether who asks would be admitted."""
        try:
            self.admit(connection, needed)
        except (Unauthorized, Forbidden):
            return False
        return True

    def _key_of(self, secret: str | None, needed: Scope, address: str) -> Key:
        """The key. Only so many guesses are looked at.

        What nobody can guess is no guess, so that whoever shares an address with a guesser still gets in.
        """
        who = (address, secret is None or unguessable(secret))
        if not who[1] and (wait_s := self._wrong.look(who, rate=_WRONG_RATE, room=_WRONG_ROOM).wait_s):
            raise TooMany("too many wrong keys came from this address: try again later", retry_after=wait_s)
        try:
            return self._keys.key_of(secret, needed)
        except Unauthorized as error:
            if secret is not None:
                self._refused(who, str(error))
            raise

    def _user_of(self, token: str | None, address: str) -> str | None:
        if token is None:
            return None
        try:
            return proved_user(token, self._token_secret, now=self._clock())
        except Unauthorized as error:
            self._refused((address, True), str(error))
            raise

    def _refused(self, who: tuple[str, bool], reason: str) -> None:
        """Count it; say so as long as they are few: a flood of them is no flood of lines."""
        self._metrics.refused()
        if not self._wrong.draw(who, rate=_WRONG_RATE, room=_WRONG_ROOM).wait_s:
            structlog.get_logger("access").warning("key_refused", address=who[0], reason=reason)

    def _check_rate(self, key: Key, rate: float, address: str, connection: Connection) -> None:
        drawn = self._rates.draw((key.name, address), rate=rate, room=key.grant.room)
        connection.setdefault(HEADERS, []).extend(_told(key.grant, rate, drawn))
        if drawn.wait_s:
            raise TooMany(
                f"the key {key.name!r} allows {rate:g} requests a second from one address", retry_after=drawn.wait_s
            )


async def _admitted(request: Request) -> Caller | None:
    needed = scope_of(request.method, request.scope["route"].path)
    if needed is None:
        return None
    gate: Gate = request.app.state.gate
    admitted: Caller | None = request.scope.get(CALLER)  # by a hot route that leaves the answer to FastAPI
    return admitted or gate.admit(request.scope, needed)


ADMITTED = Depends(_admitted)
"""What every route of the application depends on."""

CallerOf = Annotated[Caller, ADMITTED]


def _credentials(connection: Connection) -> Credentials:
    secret = bearer = token = None
    for name, value in connection["headers"]:
        if name == b"x-bandstand-key":
            secret = value.decode("latin-1")
        elif name == b"x-bandstand-user":
            token = value.decode("latin-1")
        elif name == b"authorization" and value[:7].lower() == b"bearer ":
            bearer = value[7:].strip().decode("latin-1")
    return Credentials(secret or bearer or None, token)


def _check_origin(key: Key, origin: str | None) -> None:
    """Other sites' pages use only keys that list them; the server's own pages, and programs, any."""
    origins = key.grant.origins
    if origin is not None and origin not in origins and ANY_ORIGIN not in origins:
        raise Forbidden(f"the key {key.name!r} is not for pages of {origin}")


def _told(grant: Grant, rate: float, drawn: Drawn) -> list[tuple[bytes, bytes]]:
    """The `RateLimit` headers of draft-ietf-httpapi-ratelimit-headers: ``q`` requests in ``w`` seconds, ``r`` left."""
    room = grant.room
    whole = math.ceil((room - drawn.left) / rate)
    return [
        (b"ratelimit-policy", b'"key";q=%d;w=%d' % (room, math.ceil(room / rate))),
        (b"ratelimit", b'"key";r=%d;t=%d' % (drawn.left, whole)),
    ]

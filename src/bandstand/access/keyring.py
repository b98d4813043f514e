"""The keys in force in one process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from bandstand.access.callers import TRUSTED
from bandstand.access.keys import ANONYMOUS, ANY_ORIGIN, Grant, Key, Keys, digest_of
from bandstand.access.scopes import Scope
from bandstand.errors import BandstandError, Unauthorized, Unavailable
from bandstand.types import Clock

SETTING = "BANDSTAND_ADMIN_KEY"
"""The name of the key that the settings give."""

_UNREAD = Key(name="events-only", digest="", grant=Grant(scopes=("events",)), created=0.0)
"""On this machine, while nobody knows whether there are keys: what people did is not lost meanwhile."""


class _Opening(NamedTuple):
    """What a secret opens, and until when."""

    key: Key
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """Keys by the digests of their secrets, and what holds without a secret; ``unread`` says why keys are not known."""

    by_digest: Mapping[str, _Opening] = field(default_factory=dict)
    anonymous: Key | None = None
    origins: frozenset[str] = frozenset()
    unread: str = ""


class Keyring:
    """Finds the key of a secret. Safe for threads; `follow` keeps it up with the store.

    ``admin_key`` is one more key, which opens everything. While there never was a key and this server is ``local`` (or
    its operator says so), everybody is trusted. Once there was one, nothing opens without: not when all are revoked,
    and not when they cannot be read.
    """

    def __init__(self, *, admin_key: str | None, local: bool, clock: Clock) -> None:
        self._local, self._clock = local, clock
        self._admin = _admin(admin_key) if admin_key else None
        self._following = threading.Lock()
        self._held = self._made((), unread="the keys were not read yet")

    def follow(self, read: Callable[[], Keys | None]) -> None:
        """Take the keys over that ``read`` gives; while they cannot be read, those that are known stay in force.

        Raises:
            StorageError, Unavailable: they cannot be read.
        """
        with self._following:  # else what was read before a change could come after it
            try:
                keys = read()
            except BandstandError as error:
                if self._held.unread:
                    self._held = self._made((), unread=str(error))
                raise
            self._held = self._made(keys)

    def key_of(self, secret: str | None, needed: Scope) -> Key:
        """The key whose secret was given; or what holds for who gives none.

        What is compared are SHA-256 digests: how long that takes says nothing of the secrets behind them.

        Raises:
            Unauthorized: there is no such key, it has expired, or one is needed.
            Unavailable: the keys are not known yet.
        """
        held = self._held
        opening = held.by_digest.get(digest_of(secret)) if secret is not None else None
        if opening is not None:
            return self._unexpired(opening)
        if held.anonymous is not None and (secret is None or held.anonymous is TRUSTED.key):
            return self._unexpired(_Opening(held.anonymous, _until(held.anonymous)))
        if held.unread:
            if self._local and needed == "events":
                return _UNREAD
            raise Unavailable(held.unread, retry_after=2)
        if secret is not None:
            raise Unauthorized("there is no such key")
        raise Unauthorized("this needs a key, in the header X-Bandstand-Key or as a bearer token")

    def welcomes(self, origin: str) -> bool:
        """Whether a page of that origin may use one of the keys."""
        return origin in self._held.origins or ANY_ORIGIN in self._held.origins

    def _made(self, keys: Keys | None, unread: str = "") -> _Held:
        every = (*(keys or ()), *filter(None, [self._admin]))
        nobody = next((key for key in every if key.name == ANONYMOUS), None)
        trusted = TRUSTED.key if keys is None and self._admin is None and self._local else None
        return _Held(
            by_digest=dict(opening for key in every for opening in _openings(key)),
            anonymous=nobody or trusted,
            origins=frozenset(origin for key in every for origin in key.grant.origins),
            unread=unread,
        )

    def _unexpired(self, opening: _Opening) -> Key:
        if opening.until <= self._clock():
            raise Unauthorized("this key has expired: its operator can make another")
        return opening.key


def _admin(secret: str) -> Key:
    return Key(name=SETTING, digest=digest_of(secret), grant=Grant(scopes=("admin",)), created=0.0)


def _openings(key: Key) -> Iterator[tuple[str, _Opening]]:
    if key.digest:
        yield key.digest, _Opening(key, _until(key))
    if key.former:
        yield key.former, _Opening(key, min(_until(key), key.former_until))


def _until(key: Key) -> float:
    return float("inf") if key.grant.expires is None else key.grant.expires

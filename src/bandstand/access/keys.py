"""Keys: what each grants, how one is issued, exchanged and revoked, and what is kept of it, which is no secret."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec

from bandstand.access.scopes import BOUNDED, SCOPES, Scope
from bandstand.errors import BadInput, Conflict, NotFound, StorageError
from bandstand.types import UNBOUNDED, Boundary

ANONYMOUS = "anonymous"
"""The name of the key that has no secret: what it grants holds for whoever gives no key."""

ANY_ORIGIN = "*"

_PREFIX = "bs_"
"""Begins every secret, so that one that leaked is recognised by who looks for such."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ISSUED = re.compile(_PREFIX + r"[A-Za-z0-9_-]{43}")
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What who holds a key may do.

    Attributes:
        scopes: what is open to them.
        expires: until when, in seconds since 1970; None: until it is revoked.
        origins: pages of which other sites may use it ("https://example.org"; "*": any); programs may everywhere.
        rate: requests a second that each address may go on with; None: any number.
        burst: how many of them may come at once; None: ten seconds' worth.
        within: what they can see of the catalogue at most.
    """

    scopes: tuple[Scope, ...]
    expires: float | None = None
    origins: tuple[str, ...] = ()
    rate: float | None = None
    burst: int | None = None
    within: Boundary = UNBOUNDED

    @property
    def room(self) -> int:
        """How many requests may come at once where there is a rate."""
        return self.burst or max(1, round(10 * (self.rate or 0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key as it is kept: SHA-256 digests of its secrets in hex. Secrets have 256 random bits: they need no salt.

    ``former`` is the digest of the secret before, good until ``former_until``. `ANONYMOUS` has no digest.
    """

    name: str
    digest: str
    grant: Grant
    created: float
    former: str = ""
    former_until: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A key and its secret, which is shown this once; "" for `ANONYMOUS`."""

    key: Key
    secret: str


Keys = tuple[Key, ...]


class KeyStore(Protocol):
    """Where keys are kept. Safe for threads and processes.

    Raises:
        StorageError, Unavailable: from any method, when they cannot be reached or read.
    """

    def read(self) -> Keys | None:
        """All keys; None where there never was one, which is not the same as where all are revoked."""
        ...

    def recall(self) -> Keys | None:
        """The same as far as it is known on this machine: nothing is waited for.

        Raises:
            Unavailable: nothing is known yet.
        """
        ...

    def change(self, edit: Callable[[Keys], Keys]) -> None:
        """Replace all keys by what ``edit`` makes of them; nobody comes in between. It may be called several times."""
        ...


def digest_of(secret: str) -> str:
    """The SHA-256 of a secret, in hex."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def unguessable(secret: str) -> bool:
    """Whether a secret is one that `issue` may have made: nobody hits upon one of 2^256 by trying."""
    return _ISSUED.fullmatch(secret) is not None


def issue(store: KeyStore, name: str, grant: Grant, *, now: float) -> Issued:
    """Make a key of a new name.

    Raises:
        BadInput: the name or the grant cannot be used.
        Conflict: there is a key of that name.
    """
    _check_name(name)
    _check_grant(grant, now)
    secret = "" if name == ANONYMOUS else _new_secret()
    key = Key(name=name, digest=digest_of(secret) if secret else "", grant=grant, created=now)

    def edit(keys: Keys) -> Keys:
        if any(held.name == name for held in keys):
            raise Conflict(f"there is a key {name!r} already: rotate or revoke it, or choose another name")
        return (*keys, key)

    store.change(edit)
    return Issued(key=key, secret=secret)


def rotate(store: KeyStore, name: str, *, now: float, keep_s: float = 0.0) -> Issued:
    """Give a key another secret; the one before is good for ``keep_s`` seconds more.

    Raises:
        NotFound: there is no such key.
        BadInput: it has no secret.
    """
    secret = _new_secret()
    changed: list[Key] = []

    def edit(keys: Keys) -> Keys:
        old = _named(keys, name)
        if not old.digest:
            raise BadInput(f"the key {name!r} has no secret that could be replaced", field="name")
        new = replace(old, digest=digest_of(secret), former=old.digest, former_until=now + keep_s)
        changed.append(new)
        return tuple(new if held.name == name else held for held in keys)

    store.change(edit)
    return Issued(key=changed[-1], secret=secret)


def revoke(store: KeyStore, name: str) -> None:
    """Take a key out: its secrets open nothing from now on.

    Raises:
        NotFound: there is no such key.
    """

    def edit(keys: Keys) -> Keys:
        gone = _named(keys, name)
        return tuple(held for held in keys if held is not gone)

    store.change(edit)


def as_stored(keys: Keys) -> dict[str, Any]:
    """Keys in plain values, as a store keeps them."""
    return {"format": _FORMAT, "keys": msgspec.to_builtins(keys)}


def from_stored(stored: Mapping[str, Any], where: object) -> Keys:
    """The keys in what `as_stored` gave.

    Raises:
        StorageError: it was written by a newer version, or is damaged; says what to do.
    """
    if isinstance(stored.get("format"), int) and stored["format"] > _FORMAT:
        raise StorageError(f"the keys in {where} were written by a newer Bandstand; upgrade Bandstand")
    try:
        return msgspec.convert(stored["keys"], Keys)
    except (KeyError, msgspec.ValidationError) as error:
        raise StorageError(
            f"the keys in {where} cannot be read ({error}): restore a backup of them, or remove them and create others"
        ) from error


def _new_secret() -> str:
    return _PREFIX + secrets.token_urlsafe(32)


def _named(keys: Keys, name: str) -> Key:
    for key in keys:
        if key.name == name:
            return key
    raise NotFound(f"there is no key {name!r}: `bandstand keys list` shows all")


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise BadInput(f"a key's name is up to 64 letters, digits, dots, hyphens, not {name!r}", field="name")


def _check_grant(grant: Grant, now: float) -> None:
    known = ", ".join(SCOPES)
    if not grant.scopes:
        raise BadInput(f"say what the key opens: some of {known}", field="scopes")
    if unknown := [scope for scope in grant.scopes if scope not in SCOPES]:
        raise BadInput(f"unknown scope {unknown[0]!r}: use some of {known}", field="scopes")
    if grant.within and not BOUNDED.issuperset(grant.scopes):
        allowed = ", ".join(sorted(BOUNDED))
        raise BadInput(f"filters and kinds bind only keys with no scope but {allowed}", field="scopes")
    if grant.expires is not None and grant.expires <= now:
        raise BadInput("the key would have expired already", field="expires")
    for origin in grant.origins:
        _check_origin(origin)


def _check_origin(origin: str) -> None:
    parts = urlsplit(origin)
    if origin != ANY_ORIGIN and origin != f"{parts.scheme}://{parts.netloc}".lower():
        raise BadInput(f"an origin is like https://example.org or '*', not {origin!r}", field="origins")

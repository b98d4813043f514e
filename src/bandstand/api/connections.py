"""How many connections are held, in all and from one address, and what is said to those that are too many."""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Literal

from bandstand.errors import HeaderTooLarge, TooMany, Unavailable
from bandstand.settings import Settings

Refused = Literal["connections", "address", "header", "descriptors"]
"""Why a connection ended unserved: too many in all or from its address, a header too late, no descriptor left."""

MOST = 4_096
"""Connections of a process where no setting says otherwise, however many descriptors it may open."""

RESERVED = 256
"""Descriptors that connections leave to the log, the catalogue, the memory and the indexes."""

_AGAIN_S = 2.0

MAX_HEADERS = 100
"""Lines of a header, cookies and what proxies add included."""

MAX_HEADER_BYTES = 65_536
"""Bytes of a header, the line with the path among them."""


def header_too_large() -> HeaderTooLarge:
    """What is said to a longer header."""
    return HeaderTooLarge(
        f"the header has more than {MAX_HEADERS} lines or {MAX_HEADER_BYTES} bytes: send what is long in the body"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """What one process holds: ``most`` connections, ``most_of_one`` of one address unless that is ``exempt``.

    A header has to come within ``header_s``.
    """

    most: int
    most_of_one: int
    header_s: float
    exempt: Callable[[str], bool] = lambda _: False

    @classmethod
    def of(cls, settings: Settings) -> ConnectionLimits:
        """As the settings say, and no more than descriptors allow: before a Subsonic server a caller takes two."""
        there = descriptors_for_connections(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        most = min(settings.max_connections or MOST, there // 2 if settings.subsonic else there)
        exempt = lru_cache(maxsize=1_000)(_exempt(settings.proxies))
        return cls(
            most=most,
            most_of_one=settings.max_connections_per_address,
            header_s=settings.header_seconds,
            exempt=exempt,
        )


def descriptors_for_connections(limit: int) -> int:
    """How many of the descriptors that a process may open are for connections; ``limit`` below 0 is none."""
    return MOST if limit < 0 else max(limit - RESERVED, limit // 2)


def _exempt(proxies: str) -> Callable[[str], bool]:
    """Whether everybody comes from an address: this machine's own, and those of proxies."""
    named = [name.strip() for name in proxies.split(",") if name.strip()]
    networks = [ip_network(name, strict=False) for name in named if _is_network(name)]

    def check(address: str) -> bool:
        found = _read(address)
        if "*" in named or found is None:  # no address: a socket of this machine
            return True
        return found.is_loopback or any(found in network for network in networks)

    return check


def _is_network(name: str) -> bool:
    try:
        ip_network(name, strict=False)
    except ValueError:
        return False
    return True


def _read(address: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(address)
    except ValueError:
        return None
    return (found.ipv4_mapped if isinstance(found, IPv6Address) else None) or found


@lru_cache(maxsize=1_000)
def origin_of(address: str) -> str:
    """What an address counts as: itself, or of IPv6 its network of 64 bits, as who has one address has all of those."""
    found = _read(address)
    if isinstance(found, IPv6Address):
        return str(ip_network((found, 64), strict=False))
    return address if found is None else str(found)


@dataclass(slots=True, eq=False)
class Place:
    """What a connection takes; given back once, however often it is left."""

    limits: ConnectionLimits
    refused: Callable[[Refused], None]
    _left: Callable[[], None] | None

    def leave(self) -> None:
        """The connection is closed."""
        left, self._left = self._left, None
        if left is not None:
            left()


@dataclass(slots=True, eq=False)
class Places:
    """The connections of one process. For the thread of the event loop; ``refused`` is told of each that got none."""

    limits: ConnectionLimits
    refused: Callable[[Refused], None]
    held: int = 0
    _of: Counter[str] = field(default_factory=Counter)

    def take(self, address: str) -> Place:
        """A place for a connection from an address.

        Raises:
            TooMany: the address has enough.
            Unavailable: all are taken.
        """
        limits = self.limits
        origin = None if limits.exempt(address) else origin_of(address)
        if origin is not None and self._of[origin] >= limits.most_of_one:
            self.refused("address")
            raise TooMany(
                f"more than {limits.most_of_one} connections from one address: close some, use one for many requests,"
                " or set BANDSTAND_MAX_CONNECTIONS_PER_ADDRESS",
                retry_after=_AGAIN_S,
            )
        if self.held >= limits.most:
            self.refused("connections")
            raise Unavailable(
                f"more than {limits.most} connections: try again, or set BANDSTAND_MAX_CONNECTIONS",
                retry_after=_AGAIN_S,
            )
        self.held += 1
        if origin is not None:
            self._of[origin] += 1
        return Place(limits, self.refused, lambda: self._leave(origin))

    def _leave(self, origin: str | None) -> None:
        self.held -= 1
        if origin is not None:
            self._of[origin] -= 1
            if not self._of[origin]:
                del self._of[origin]

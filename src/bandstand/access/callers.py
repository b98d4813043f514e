"""Who asks: what their key grants, and whose past they have proved to be theirs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from ipaddress import ip_address, ip_network

from bandstand.access.keys import ANY_ORIGIN, Grant, Key
from bandstand.access.scopes import Scope
from bandstand.errors import Forbidden
from bandstand.types import Boundary


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks; ``user`` is proved by a user token, ``address`` is where the request came from."""

    key: Key
    user: str | None = None
    address: str = ""

    @property
    def within(self) -> Boundary:
        """What they can see of the catalogue at most."""
        return self.key.grant.within

    @property
    def claimant(self) -> str | None:
        """Who claims what comes from here: the key and the network, as a hash; None where it may be imported as well.

        Visitors of one network are one claimant: sessions cost nothing, networks do. The hash is keyed by what is kept
        of the key's secret, so that a log by itself says nothing of addresses.
        """
        return None if self.may("import") else _claimant(self.key, network_of(self.address))

    def may(self, scope: Scope) -> bool:
        """Whether the key opens it."""
        scopes = self.key.grant.scopes
        return scope in scopes or "admin" in scopes

    def check(self, scope: Scope, what: str) -> None:
        """Let pass whose key opens it; ``what`` is what was asked for.

        Raises:
            Forbidden: the key does not open it.
        """
        if not self.may(scope):
            raise Forbidden(f"{what} needs a key with the scope {scope}; {self.key.name!r} has not got it")

    def speaks_for(self, user_id: str | None) -> str | None:
        """The user whose past is meant where ``user_id`` was named, or nobody was.

        Raises:
            Forbidden: somebody was named who is not proved.
        """
        if user_id is None or user_id == self.user or self.may("import"):
            return user_id or self.user
        raise Forbidden("user_id must be proved by a user token of that user, in the header X-Bandstand-User")


_V4_BITS, _V6_BITS = 24, 48
"""What one subscriber or site is given at most, and so what an attacker has for the price of one."""


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """The network of an address: /24, or /48 of IPv6. What is no address is a network by itself."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return str(ip_network(f"{parsed}/{_V4_BITS if parsed.version == 4 else _V6_BITS}", strict=False))


def _claimant(key: Key, network: str) -> str:
    secret = blake2b(f"{key.digest}{key.created!r}".encode()).digest()
    return blake2b(f"{key.name} {network}".encode(), digest_size=8, key=secret).hexdigest()


TRUSTED = Caller(Key(name="everybody", digest="", grant=Grant(scopes=("admin",), origins=(ANY_ORIGIN,)), created=0.0))
"""Whoever asks where no key was ever made, on this machine: everything is theirs."""

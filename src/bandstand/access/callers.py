"""Who asks: what their key grants, and whose past they have proved to be theirs."""

from __future__ import annotations

from dataclasses import dataclass

from bandstand.access.keys import ANY_ORIGIN, Grant, Key
from bandstand.access.scopes import Scope
from bandstand.errors import Forbidden
from bandstand.types import Boundary


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks; ``user`` is proved by a user token."""

    key: Key
    user: str | None = None

    @property
    def within(self) -> Boundary:
        """What they can see of the catalogue at most."""
        return self.key.grant.within

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


TRUSTED = Caller(Key(name="everybody", digest="", grant=Grant(scopes=("admin",), origins=(ANY_ORIGIN,)), created=0.0))
"""Whoever asks where no key was ever made, on this machine: everything is theirs."""

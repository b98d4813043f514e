"""Keys as people and programs are shown them: everything but what a secret could be checked by."""

from __future__ import annotations

from typing import Any

from bandstand.access.keys import Issued, Key
from bandstand.access.scopes import Scope
from bandstand.types import Filters, Kind
from bandstand.types.answers import Answer


class KeyAnswer(Answer):
    """A key: times are in seconds since 1970, `rate` is requests a second from each address, `burst` how many at once.

    `filters` and `kinds` bound what is found with it; `former_until` says until when the secret before is good.
    """

    name: str
    scopes: tuple[Scope, ...]
    created: float
    expires: float | None
    origins: tuple[str, ...]
    rate: float | None
    burst: int | None
    kinds: tuple[Kind, ...]
    filters: dict[str, Any]
    former_until: float | None

    @classmethod
    def of(cls, key: Key) -> KeyAnswer:
        """What there is to be shown of a key."""
        grant = key.grant
        return cls(
            name=key.name,
            scopes=grant.scopes,
            created=key.created,
            expires=grant.expires,
            origins=grant.origins,
            rate=grant.rate,
            burst=None if grant.rate is None else grant.room,
            kinds=grant.within.kinds,
            filters=_as_asked(grant.within.filters),
            former_until=key.former_until if key.former else None,
        )


class KeysAnswer(Answer):
    """Every key that was not revoked, expired ones too."""

    keys: list[KeyAnswer]


class IssuedAnswer(Answer):
    """A key, and its secret: shown this once, and kept nowhere."""

    key: KeyAnswer
    secret: str

    @classmethod
    def of(cls, issued: Issued) -> IssuedAnswer:
        """What was issued."""
        return cls(key=KeyAnswer.of(issued.key), secret=issued.secret)


def _as_asked(filters: Filters) -> dict[str, Any]:
    """Filters as HTTP has them."""
    found: dict[str, Any] = {name: list(values) for name, values in filters.values}
    years = {"gte": filters.year_gte, "lte": filters.year_lte}
    if bounds := {name: year for name, year in years.items() if year is not None}:
        found["year"] = bounds
    for clause in filters.clauses:
        exists = {} if clause.exists is None else {"exists": clause.exists}
        into = found.setdefault("not", {}) if clause.negated else found
        into[clause.field] = {**clause.bounds, **exists} if clause.values is None else list(clause.values)
    return found

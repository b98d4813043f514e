"""What nobody vouches for: whose voice a claim is, and how much of it is everybody's to hear."""

from __future__ import annotations

from bandstand.feedback.rewards import RateGuard
from bandstand.learner.open_searches import KeyValue
from bandstand.learner.relabelling import hashed
from bandstand.learner.rewards import RateBudgets
from bandstand.types import Event, Impression, Query

_PREFIX = b"share/"
_NETWORK = "\0network:"
"""Begins the voice of a network: no user and no session is called so."""


def network_of(event: Event, impression: Impression | None) -> str | None:
    """The network that speaks for a visitor who claims something and has not proved to be anybody; None for others."""
    user = event.user_id or (impression is not None and impression.query.user_id)
    return None if user or event.claimant is None else _NETWORK + event.claimant


class Shares:
    """How much each voice may still add to what everybody sees, by what it is about.

    A voice is a user whose token proved them, or the network of who has none: sessions cost nothing, and are none.
    What it adds to one query, and to one entity, is bounded by a token bucket of its own, which fills slowly: however
    much one voice says, it is no more than a few would have said.
    """

    def __init__(self, state: KeyValue, guard: RateGuard) -> None:
        self._budgets = RateBudgets(state, guard, _PREFIX)
        self.forget, self.expire = self._budgets.forget, self._budgets.expire

    def of(self, voice: str, *about: str, now: float) -> float:
        """The share in [0, 1] of one more claim that counts which is about these things; it is spent."""
        return min(self._budgets.weight(f"{hashed(voice)}/{hashed(what)}", now) for what in about)

    def hears(self, query: Query) -> bool:
        """Whether a search says something of what it found: always where it is vouched for."""
        voice = query.user_id or (query.claimant and _NETWORK + query.claimant)
        if query.claimant is None or voice is None:
            return True
        return self.of(voice, f"search {query.normalized}", now=query.time) >= 1

"""How much one actor may teach: a token bucket, so that a bot's thousand clicks weigh like a busy person's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from bandstand.types import Event


class Budget(NamedTuple):
    """What an actor has left, and when that was so; its owner keeps it beside the state that it protects."""

    tokens: float
    time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RateGuard:
    """At most ``burst`` events at once and ``per_minute`` in the long run count fully, the rest not at all.

    A token bucket (Turner 1986). It holds no state: the same log gives the same weights, also after a restart.
    Over t minutes an actor's weight is at most ``burst + per_minute * t``.
    """

    burst: float = 30.0
    per_minute: float = 20.0

    def spend(self, budget: Budget | None, now: float) -> tuple[float, Budget]:
        """The weight in [0, 1] of one more event at ``now`` (seconds), and the budget left; None is a new actor.

        A clock that runs backwards refills nothing, and nothing twice.
        """
        tokens, time = budget or Budget(self.burst, now)
        refilled = min(self.burst, tokens + max(0.0, now - time) * self.per_minute / 60.0)
        weight = min(1.0, refilled)
        return weight, Budget(refilled - weight, max(now, time))


def actor_of(event: Event) -> str:
    """Whom to count the event on: the user, else the session, client or search; nameless events share one budget."""
    named = (("user", event.user_id), ("session", event.session_id), ("client", event.client_id))
    for kind, name in (*named, ("query", event.query_id)):
        if name is not None:
            return f"{kind}:{name}"
    return "anonymous"

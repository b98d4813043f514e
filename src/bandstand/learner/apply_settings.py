"""What applying the log takes beside the log: settings, and where things are looked up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bandstand.feedback.attribution import Attribution
from bandstand.feedback.rewards import RateGuard, RewardWeights
from bandstand.learner.relabelling import Relabelled
from bandstand.learner.rewards import RewardProvider
from bandstand.types import Entity, Impression, Ordinals
from bandstand.types.times import DAY_S, MINUTE_S


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplySettings:
    """Which events count for a search, seconds from its first action to its end, and what actions are worth.

    ``weights`` serve until a reward model does; ``relabel`` lets a success answer the failed searches before it.
    ``agree_users`` is how many must have asked a query before its text is everybody's to read. ``share`` is how much
    one voice adds to one query, and to one entity, where nobody vouches for it.
    """

    agree_users: int = 2
    attribution: Attribution = Attribution()
    finalize_seconds: float = 60.0
    weights: RewardWeights = RewardWeights()
    guard: RateGuard = RateGuard()
    share: RateGuard = RateGuard(burst=5.0, per_minute=5.0 / (30 * DAY_S / MINUTE_S))
    relabel: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What the learner reads beside the log's order: searches by id, and the catalogue.

    ``ordinals`` are those of entity ids (-1: unknown), ``entities`` those of ordinals (None: unknown). ``rewards`` is
    the reward model that the learner's state pins. ``relabelled`` hears of every search that is.
    """

    impression: Callable[[str], Impression]
    ordinals: Callable[[Sequence[str]], Ordinals]
    entities: Callable[[Ordinals], Sequence[Entity | None]]
    rewards: RewardProvider = field(default_factory=RewardProvider)
    relabelled: Callable[[Relabelled], None] | None = None

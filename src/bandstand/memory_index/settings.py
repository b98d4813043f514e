"""What of the memory can be tuned: decay, prior, privacy and bounds."""

from __future__ import annotations

from dataclasses import dataclass, fields

from bandstand.errors import BadInput
from bandstand.types.times import DAY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySettings:
    """Frozen settings of one memory; a value out of range raises `BadInput` that names it.

    Half-lives are in days. ``prior_strength`` and ``own_strength`` are pseudo-counts: how many examined impressions
    the prior is worth, in shared memory and in a user's own record. A prior is the predicted score, at least
    ``base_rate``. Discounts multiply a score in [0, 1].
    """

    half_life_days: float = 30.0
    trend_half_life_days: float = 7.0
    history_half_life_days: float = 90.0
    prior_strength: float = 3.0
    base_rate: float = 0.05
    own_strength: float = 1.0
    click_weight: float = 1.0
    play_weight: float = 2.0
    agree_users: int = 2
    reorder_discount: float = 0.9
    edit_discount: float = 0.7
    coanswer_discount: float = 0.3
    expand_below: int = 20
    shrinkage: float = 5.0
    max_queries: int = 200_000
    max_pairs_per_query: int = 200
    max_users: int = 100_000
    history_per_user: int = 500
    links_per_entity: int = 64
    related_per_entity: int = 64
    users_per_entity: int = 64

    def __post_init__(self) -> None:
        """Refuse values with which the formulas lose their meaning."""
        for field in fields(self):
            value = getattr(self, field.name)
            shares = field.name.endswith("_discount") or field.name == "base_rate"
            if not value > 0 or (shares and value >= 1):
                bounds = "in (0, 1)" if shares else "positive"
                raise BadInput(f"memory setting {field.name} must be {bounds}, not {value}", field=field.name)

    @property
    def half_life(self) -> float:
        """Half-life of what queries led to, in seconds."""
        return self.half_life_days * DAY_S

    @property
    def trend_half_life(self) -> float:
        """Half-life of trending, in seconds."""
        return self.trend_half_life_days * DAY_S

    @property
    def history_half_life(self) -> float:
        """Half-life of a user's history, in seconds."""
        return self.history_half_life_days * DAY_S

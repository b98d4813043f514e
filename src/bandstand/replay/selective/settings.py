"""How selective retrieval is evaluated: what is played, how much of it is looked into, and the target."""

from __future__ import annotations

from dataclasses import dataclass

from bandstand.bandit.cost import EXPENSIVE
from bandstand.errors import BadInput
from bandstand.replay.selective.curve import Target

NEVER = "-".join(("all", *EXPENSIVE))
"""The contestant that plays free arms only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectiveSettings:
    """``policies`` are played, each in a world of its own; the learned ones are looked into.

    Of ``searches`` the last ``held_out`` share is audited: no model was trained on any of them when it decided. In the
    closed loop the models are trained again every ``retrain_every`` searches. ``ablation_share`` of the searches are
    recorded with and without each expensive arm; more than in service, since the loop is short. A ``target`` is looked
    for on one half of the audited searches and reported on the other. ``since`` and ``until`` (unix seconds, the upper
    bound excluded) are for data sets in time order.
    """

    policies: tuple[str, ...] = ("selective", "bandit", "all", NEVER)
    searches: int = 6_000
    held_out: float = 1 / 3
    retrain_every: int = 2_000
    ablation_share: float = 0.1
    target: Target | None = None
    since: float | None = None
    until: float | None = None
    seed: int = 1
    bootstrap: int = 1_000
    platform: tuple[tuple[str, object], ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be played, by the field's name."""
        if not 0 < self.held_out < 1:
            raise BadInput(f"held_out must be in (0, 1), not {self.held_out}", field="held_out")
        if not 0 < self.ablation_share <= 1:
            raise BadInput(f"the share recorded must be in (0, 1], not {self.ablation_share}", field="recorded")
        if not set(self.policies) & {"selective", "bandit"}:
            raise BadInput("play selective or bandit: fixed policies decide nothing", field="policies")

    @property
    def first_audited(self) -> int:
        """The number, from 0, of the first search that is audited."""
        return self.searches - int(self.held_out * self.searches)

    @property
    def chosen(self) -> tuple[tuple[str, object], ...]:
        """The platform's settings for it."""
        return (("ablation_share", self.ablation_share), *self.platform)

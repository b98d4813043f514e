"""How a closed loop is played: which policies, how often it learns, how much is looked into."""

from __future__ import annotations

from dataclasses import dataclass

from bandstand.errors import BadInput
from bandstand.replay.contestants import Contestant
from bandstand.replay.simulate.experiments import Experiment
from bandstand.replay.simulate.variants import variant


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateSettings:
    """Frozen settings of one closed loop.

    ``policies``: see `variant`; every one meets the same wishes, in a world of its own.
    Learning goes on after ``learn_every`` sessions, the ranker is trained again after ``retrain_every`` searches on at
    most ``train_searches`` of them. Every ``audit_every``-th search is compared with the oracle. ``window`` searches
    make a point of the series. ``limit`` ends the experiment early. ``platform`` are platform settings
    (`bandstand.settings.Settings`) over those of the experiment and of the environment.
    """

    policies: tuple[str, ...] = ("bandit", "all", "hybrid")
    seed: int = 1
    limit: int | None = None
    page: int = 10
    learn_every: int = 20
    retrain_every: int = 5_000
    train_searches: int = 20_000
    audit_every: int = 50
    window: int = 5_000
    bootstrap: int = 1_000
    start: float = 1_750_000_000.0
    platform: tuple[tuple[str, object], ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be played, by the field's name."""
        if not self.policies:
            raise BadInput("give at least one policy", field="policies")
        if len(set(self.policies)) < len(self.policies):
            raise BadInput("a policy is named twice", field="policies")
        counts = (
            "page",
            "learn_every",
            "retrain_every",
            "train_searches",
            "audit_every",
            "window",
            "bootstrap",
            "limit",
        )
        for name in counts:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise BadInput(f"{name} must be 1 or more, not {value}", field=name)
        self.contestants()

    def contestants(self) -> tuple[Contestant, ...]:
        """What is played, in order."""
        return tuple(variant(name).contestant for name in self.policies)

    def searches_of(self, experiment: Experiment) -> int:
        """How many searches of an experiment are made."""
        return min(self.limit or experiment.searches, experiment.searches)

"""How a replay is played: which policies, how often it learns, what is compared."""

from __future__ import annotations

from dataclasses import dataclass

from bandstand.errors import BadInput
from bandstand.replay.contestants import BASELINES, Contestant, check_run, contestant
from bandstand.settings import Settings
from bandstand.types.times import DAY_S

HIDDEN = frozenset({"home", *(name for name, field in Settings.model_fields.items() if not field.repr)})
"""Platform settings that no result repeats: where the home lies, keys and passwords."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySettings:
    """Frozen settings of one replay.

    ``policies``: see `bandstand.replay.contestants.contestant`. ``baselines`` are read off what the policy ``all``
    found, which is then played too; ``oracle`` adds the best of some fixed sets of retrievers by segment.
    ``since`` and ``until`` bound the counted searches, unix seconds, the upper bound excluded; ``limit`` is how many
    are counted at most. ``page`` is how many hits a search shows. Learning goes on as soon as ``learn_every`` records
    wait, or an older one than ``learn_after`` seconds when a search comes. ``retrain`` trains the ranker at the first
    search of each month (UTC) on at most ``train_searches`` earlier ones. ``judged_deep`` is for
    data in which people chose from the world and not from a page: what they did not choose is no failure to the memory,
    and the ranker learns from the whole ranking, without a bias of position. ``bootstrap`` is the number of resamples.
    ``platform`` are platform settings (`bandstand.settings.Settings`) over those of the data set.
    """

    policies: tuple[str, ...] = ("bandit", "all", "lexical", "dense", "memory", "hybrid")
    baselines: tuple[str, ...] = BASELINES
    since: float | None = None
    until: float | None = None
    limit: int | None = None
    seed: int = 1
    page: int = 10
    learn_every: int = 200
    learn_after: float = DAY_S
    retrain: bool = True
    train_searches: int = 20_000
    judged_deep: bool = True
    oracle: bool = False
    bootstrap: int = 2_000
    platform: tuple[tuple[str, object], ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be played, by the field's name."""
        counts = ("page", "learn_every", "train_searches", "bootstrap", "limit")
        check_run(self.policies, **{name: getattr(self, name) for name in counts})
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise BadInput("nothing lies between since and until", field="until")
        self.contestants()

    def contestants(self) -> tuple[Contestant, ...]:
        """What is played, the policy that the baselines are read off included."""
        names = self.policies
        if self.baselines and "all" not in names:
            names = (*names, "all")
        return tuple(contestant(name) for name in names)

"""The experiments by name: who searches for what, how often, and what changes on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from bandstand.errors import BadInput
from bandstand.replay.simulate.clicks import CLICK_MODELS, ClickModel, DynamicBayesian, PositionBased

QueryClass = Literal["known-item", "misspelt", "playlist", "nickname", "new title", "new title misspelt", "new release"]
"""`known-item` and `misspelt` repeat titles by a power law; a `new title` is asked once and never again."""

Shares = Mapping[QueryClass, float]

DEFAULT_SHARES: Shares = {"known-item": 0.35, "misspelt": 0.25, "playlist": 0.25, "nickname": 0.15}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """How people behave on a page.

    ``wanted`` and ``other`` are P(click | examined) of a track that is wanted and of any other, ``bait`` that of the
    tracks that look better than they are. A clicked wanted track satisfies with ``satisfied``: it is played on, others
    are left after seconds. Who was not satisfied finds what they wanted another way, by its full name in the same
    session, with probability ``persistent``; of the others, a share of ``strays`` searches for something else in it.
    ``users`` is how many of them there are; 0 makes each session its own.
    """

    clicks: ClickModel = field(default_factory=PositionBased)
    wanted: float = 0.8
    other: float = 0.01
    bait: float = 0.01
    satisfied: float = 0.95
    persistent: float = 0.4
    strays: float = 0.0
    users: int = 0

    def __post_init__(self) -> None:
        for name in ("wanted", "other", "bait", "satisfied", "persistent", "strays"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadInput(f"{name} must be a probability in [0, 1]", field=name)
        if self.users < 0:
            raise BadInput("users must be 0 or more", field="users")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What changes after the share ``at`` of the searches.

    ``moved`` is the share of nicknames that mean another track from then on. ``releases`` tracks are not in the
    catalogue before; ``release_share`` of the searches then want one of them. ``broken`` names a retriever that answers
    at random from then on.
    """

    at: float = 0.5
    moved: float = 0.0
    releases: int = 0
    release_share: float = 0.1
    broken: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.at < 1 or not 0 <= self.moved <= 1 or not 0 <= self.release_share < 1:
            raise BadInput("at must be in (0, 1), moved in [0, 1], release_share in [0, 1)", field="drift")


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """One closed loop: ``searches`` of the classes in ``shares``, drawn by a power law ``exponent`` within a class.

    ``titles`` and ``nicknames`` are how many distinct queries of these there are, ``playlists`` how many at most;
    ``new_titles`` are drawn without repetition. ``gap_s`` seconds lie between two sessions: more than one lasts.
    ``baits`` tracks look better than they are. With ``habits``, titles are asked for as in
    `bandstand.replay.simulate.habits`. ``platform`` are settings that make figures comparable: the prototype
    had no threshold of users who must agree.
    """

    name: str
    searches: int
    shares: Shares
    titles: int = 2_500
    playlists: int = 449
    nicknames: int = 600
    new_titles: int = 12_000
    exponent: float = 0.8
    gap_s: float = 75.0
    listeners: Listeners = Listeners()
    baits: int = 0
    habits: bool = False
    drift: Drift | None = None
    platform: tuple[tuple[str, object], ...] = (("agree_users", 1),)

    def __post_init__(self) -> None:
        if self.searches < 1:
            raise BadInput("searches must be 1 or more", field="searches")
        if abs(sum(self.shares.values()) - 1) > 1e-9 or min(self.shares.values()) < 0:
            raise BadInput(f"shares must be 0 or more and sum to 1, not {sum(self.shares.values())}", field="shares")
        if self.gap_s < SESSION_S:
            raise BadInput(f"gap_s must be {SESSION_S} or more: sessions do not overlap", field="gap_s")

    @property
    def changes_at(self) -> int | None:
        """The number of the first search after the drift; None without one."""
        return None if self.drift is None else int(self.drift.at * self.searches)


SESSION_S = 75.0
"""No session lasts longer, see `bandstand.replay.simulate.listener`."""

_TAIL: Shares = {"new title": 0.36, "new title misspelt": 0.24, "playlist": 0.25, "nickname": 0.15}

EXPERIMENTS: Mapping[str, Experiment] = {
    experiment.name: experiment
    for experiment in (
        Experiment(name="default", searches=40_000, shares=DEFAULT_SHARES),
        Experiment(name="long-tail", searches=19_800, shares=_TAIL),
        Experiment(name="private", searches=40_000, shares=DEFAULT_SHARES, platform=(("agree_users", 2),)),
        Experiment(
            name="drift",
            searches=20_000,
            shares=DEFAULT_SHARES,
            drift=Drift(moved=0.5, releases=500, broken="trigram"),
        ),
        Experiment(
            name="clickbait",
            searches=20_000,
            shares=DEFAULT_SHARES,
            listeners=Listeners(clicks=DynamicBayesian(), bait=0.4),
            baits=2_000,
        ),
        Experiment(
            name="rewards",
            searches=20_000,
            shares=DEFAULT_SHARES,
            listeners=Listeners(clicks=DynamicBayesian(), bait=0.4, strays=0.5, users=400),
            baits=2_000,
            platform=(),
        ),
    )
}


def experiment_named(name: str, *, clicks: str | None = None) -> Experiment:
    """The experiment of a name; ``clicks`` names a click model (`CLICK_MODELS`) that takes the place of its own.

    Raises:
        BadInput: there is no such experiment, or no such click model.
    """
    if name not in EXPERIMENTS:
        raise BadInput(f"unknown experiment {name!r}: use one of {', '.join(EXPERIMENTS)}", field="experiment")
    experiment = EXPERIMENTS[name]
    if clicks is None:
        return experiment
    if clicks not in CLICK_MODELS:
        raise BadInput(f"unknown click model {clicks!r}: use one of {', '.join(CLICK_MODELS)}", field="clicks")
    return replace(experiment, listeners=replace(experiment.listeners, clicks=CLICK_MODELS[clicks]))

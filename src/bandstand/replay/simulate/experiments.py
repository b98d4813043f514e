"""The experiments by name: who searches for what, on what changing platform, with which model of clicks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from bandstand.errors import BadInput
from bandstand.replay.contestants import Contestant, check_run, contestant
from bandstand.settings import Settings, load_settings

Probabilities = NDArray[np.float64]
"""One probability for each hit of a page, best first, shape (n,)."""


class ClickModel(Protocol):
    """Draws the clicks on one page, and says how likely each was."""

    def clicks(self, attraction: Probabilities, satisfaction: Probabilities, uniforms: Probabilities) -> list[int]:
        """The clicked places, from 0, in the order of the clicks.

        Args:
            attraction: P(click | examined) of each hit, (n,).
            satisfaction: P(the need is met | clicked) of each hit, (n,).
            uniforms: Uniform numbers in [0, 1), (3, m) with m >= n: for examination, click and satisfaction.
        """

    def probabilities(self, attraction: Probabilities, satisfaction: Probabilities) -> Probabilities:
        """P(click) of each hit, (n,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionBased:
    """Position k is examined with probability k^-``decay``, whatever happens elsewhere; the first click ends it.

    P(click at k) = e_k a_k Π_{j<k} (1 - e_j a_j), e_k = k^-decay. Richardson, Dominowska & Ragno 2007, with the stop
    at the first click of a known-item search.
    """

    decay: float = 0.6

    def __post_init__(self) -> None:
        if self.decay < 0:
            raise BadInput(f"decay must be 0 or more, got {self.decay}", field="decay")

    def clicks(self, attraction: Probabilities, satisfaction: Probabilities, uniforms: Probabilities) -> list[int]:  # noqa: ARG002 - satisfied or not, one click is all
        """See `ClickModel`."""
        n = len(attraction)
        wanted = (uniforms[0, :n] < self._examined(n)) & (uniforms[1, :n] < attraction)
        return [int(place) for place in np.flatnonzero(wanted)[:1]]

    def probabilities(self, attraction: Probabilities, satisfaction: Probabilities) -> Probabilities:  # noqa: ARG002 - see clicks
        """See `ClickModel`."""
        clicked = self._examined(len(attraction)) * attraction
        return clicked * _before(1.0 - clicked)

    def _examined(self, n: int) -> Probabilities:
        return np.arange(1, n + 1, dtype=np.float64) ** -self.decay


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """Hits are read from the top until one is clicked.

    P(click at k) = a_k Π_{j<k} (1 - a_j). Craswell, Zoeter, Taylor & Ramsey 2008.
    """

    def clicks(self, attraction: Probabilities, satisfaction: Probabilities, uniforms: Probabilities) -> list[int]:  # noqa: ARG002 - as above
        """See `ClickModel`."""
        return [int(place) for place in np.flatnonzero(uniforms[1, : len(attraction)] < attraction)[:1]]

    def probabilities(self, attraction: Probabilities, satisfaction: Probabilities) -> Probabilities:  # noqa: ARG002 - as above
        """See `ClickModel`."""
        return attraction * _before(1.0 - attraction)


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicBayesian:
    """Hits are read from the top; a click may satisfy, which ends it; otherwise reading goes on with ``perseverance``.

    P(click at k) = a_k Π_{j<k} γ (1 - a_j s_j). Chapelle & Zhang 2009.
    """

    perseverance: float = 0.9

    def __post_init__(self) -> None:
        if not 0 < self.perseverance <= 1:
            raise BadInput(f"perseverance must be in (0, 1], got {self.perseverance}", field="perseverance")

    def clicks(self, attraction: Probabilities, satisfaction: Probabilities, uniforms: Probabilities) -> list[int]:
        """See `ClickModel`."""
        n, clicked = len(attraction), []
        for place in range(n):
            if uniforms[1, place] < attraction[place]:
                clicked.append(place)
                if uniforms[2, place] < satisfaction[place]:
                    break
            if uniforms[0, place] >= self.perseverance:
                break
        return clicked

    def probabilities(self, attraction: Probabilities, satisfaction: Probabilities) -> Probabilities:
        """See `ClickModel`."""
        return attraction * _before(self.perseverance * (1.0 - attraction * satisfaction))


CLICK_MODELS: Mapping[str, ClickModel] = {
    "position": PositionBased(),
    "cascade": Cascade(),
    "dbn": DynamicBayesian(),
}
"""By the name under which a simulation can ask for them."""


def _before(going_on: Probabilities) -> Probabilities:
    """The product over all places before each; 1 at the first."""
    before: Probabilities = np.concatenate([[1.0], np.cumprod(going_on)[:-1]])[: len(going_on)]
    return before


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
    `bandstand.replay.simulate.world`. ``platform`` are settings that make figures comparable: the prototype
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


@dataclass(frozen=True, slots=True)
class Variant:
    """What plays, and in which settings its platform differs from everybody's, by name."""

    contestant: Contestant
    changes: tuple[tuple[str, str], ...] = ()

    def platform(self, base: Settings, **more: object) -> Settings:
        """The platform's settings with the changes, and with ``more``.

        Raises:
            BadInput: a value is none of the setting's.
        """
        return load_settings(**{**base.model_dump(), **dict(self.changes), **more})


def variant(name: str) -> Variant:
    """What a name means: a policy (`contestant`), then settings after an ``@`` each.

    Raises:
        BadInput: there is no such policy or setting.
    """
    policy, *changes = name.split("@")
    return Variant(contestant(policy), tuple(_change(change) for change in changes))


def _change(change: str) -> tuple[str, str]:
    setting, equals, value = change.partition("=")
    if setting not in Settings.model_fields or setting == "home" or not equals:
        raise BadInput(f"{change!r} changes no setting of the platform: write name=value", field="policies")
    return setting, value


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
        counts = (
            *("page", "learn_every", "retrain_every", "train_searches", "audit_every"),
            *("window", "bootstrap", "limit"),
        )
        check_run(self.policies, **{name: getattr(self, name) for name in counts})
        self.contestants()

    def contestants(self) -> tuple[Contestant, ...]:
        """What is played, in order."""
        return tuple(variant(name).contestant for name in self.policies)

    def searches_of(self, experiment: Experiment) -> int:
        """How many searches of an experiment are made."""
        return min(self.limit or experiment.searches, experiment.searches)

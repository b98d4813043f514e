"""What a caller may bring along when it opens a home, in place of the platform's own."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from bandstand.bandit.policy import Policy
from bandstand.engine.runner import RetrieverRunner, Runner
from bandstand.plugins import loaded, made
from bandstand.ranker.features import FeatureSet, RankingFeature
from bandstand.retrievers.base import Retriever
from bandstand.retrievers.encoder import Encoder
from bandstand.retrievers.registry import BUILT_IN
from bandstand.settings import Settings
from bandstand.steady_time import STEADY
from bandstand.types import Clock, Roster

RunnerOf = Callable[[Mapping[str, Retriever], Settings], Runner]
"""Makes what runs the retrievers of a search, from the retrievers by name."""


def new_query_id() -> str:
    """A random id for a search."""
    return uuid.uuid4().hex


def side_by_side(retrievers: Mapping[str, Retriever], settings: Settings) -> Runner:
    """The runner that serves people: slow retrievers in threads, under a deadline."""
    return RetrieverRunner(retrievers, threads=settings.threads)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a home is opened; every default is what `bandstand serve` uses.

    ``clock`` gives seconds since 1970, ``new_id`` the id of the next search. ``encoder`` takes the place of the one
    that the settings name; ``retrievers``, ``policies`` and ranking ``features`` take part beside the platform's own.
    Where the log need not be ``durable``, what was logged survives the end of the process, but no power cut.
    """

    clock: Clock = STEADY
    new_id: Callable[[], str] = new_query_id
    durable: bool = True
    encoder: Encoder | None = None
    runner: RunnerOf = side_by_side
    retrievers: tuple[Retriever, ...] = ()
    policies: tuple[Policy, ...] = ()
    features: tuple[RankingFeature, ...] = ()

    @property
    def roster(self) -> Roster:
        """All retrievers: the platform's own, then the others.

        Raises:
            BadInput: two have one name.
        """
        return BUILT_IN.and_also(retriever.spec for retriever in self.retrievers)

    @property
    def feature_set(self) -> FeatureSet:
        """What the ranker sees: what the retrievers say, and the features of all.

        Raises:
            BadInput: two retrievers, or two features, have one name.
        """
        return FeatureSet(self.roster, self.features)


def with_plugins(options: Options) -> Options:
    """The same options, with what installed distributions bring behind the retrievers, policies and features given."""
    return replace(
        options,
        retrievers=(*options.retrievers, *made("retrievers")),
        policies=(*options.policies, *made("policies")),
        features=(*options.features, *loaded("features").values()),
    )

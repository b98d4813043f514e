"""What plays in a replay: policies, fixed sets of retrievers, and baselines read off one search in which all played."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandstand.bandit.cost import modelled_cost
from bandstand.bandit.policy import FIXED_ARMS, FULL_DEPTH, FixedPolicy, Policy
from bandstand.catalog.columns import Columns
from bandstand.engine.search import Answer
from bandstand.errors import BadInput
from bandstand.ranker.features import arm_columns, brought
from bandstand.ranker.page import dedupe
from bandstand.ranker.scorers import Scorer
from bandstand.retrievers.fusion import rrf
from bandstand.types import ARMS, LOGGED_DEPTH, Candidates, Matrix, Ordinals, Scores

LEARNED = ("bandit", "selective", "random")

BASELINES = (*(f"only:{arm}" for arm in ARMS), "rrf:lexical+dense", "linear:lexical+dense", "rrf:all", "popularity")
"""Each retriever in its own order, fusions without a ranker, and what is popular for everybody."""

STATIC_SETS = tuple(
    dict.fromkeys(
        (*((arm,) for arm in ARMS), *(ARMS[:length] for length in range(2, len(ARMS) + 1)), ("lexical", "dense"))
    )
)
"""The static choices between which the oracle has its pick: each arm alone, the cheapest n, and the usual hybrid."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A policy by name: ``arms`` are those that it always plays, None where it decides by itself."""

    name: str
    arms: tuple[str, ...] | None

    def policy(self, named: Callable[[str], Policy]) -> Policy:
        """The policy object; ``named`` is the engine's own look-up."""
        if self.arms is None or self.name in FIXED_ARMS:
            return named(self.name)
        return FixedPolicy(name=self.name, depths=dict.fromkeys(self.arms, FULL_DEPTH))


def contestant(name: str) -> Contestant:
    """What a name means.

    A policy of the platform (``bandit``, ``selective``, ``random``, ``all``, ``lexical``, ...), a set of retrievers
    (``lexical+memory``), or all but some (``all-memory``).

    Raises:
        BadInput: it is none of these.
    """
    if name in LEARNED:
        return Contestant(name, None)
    if name in FIXED_ARMS:
        return Contestant(name, FIXED_ARMS[name])
    first, *without = name.split("-")
    arms = ARMS if first == "all" else tuple(first.split("+"))
    if unknown := sorted({*arms, *without} - {*ARMS}):
        known = ", ".join((*LEARNED, *FIXED_ARMS))
        raise BadInput(
            f"unknown policy {name!r} ({unknown[0]!r}): use {known}, retrievers joined by + ({'+'.join(ARMS)}), or all-"
            "followed by those to leave out",
            field="policies",
        )
    return Contestant(name, tuple(arm for arm in ARMS if arm in arms and arm not in without))


STATIC = "static:"
"""Prefix of what the platform's ranker gives with a fixed set of retrievers; the oracle chooses from these."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """One search as the baselines see it; ``room`` is how many places beyond `LOGGED_DEPTH` a ranking should have.

    ``features`` float32 (m, f) are those of the whole union, in the scorer's layout.
    """

    answer: Answer
    columns: Columns
    scorer: Scorer
    features: Matrix
    room: int

    @property
    def found(self) -> Mapping[str, Candidates]:
        """The retrievers' answers by arm."""
        return self.answer.retrieved.found

    @property
    def depth(self) -> int:
        """How long a ranking should be."""
        return LOGGED_DEPTH + self.room


Ranker = Callable[[Seen], Ordinals]
"""Ordinals (n,), best first."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """A ranking that needs no policy, and the retrievers that it pays for."""

    name: str
    arms: tuple[str, ...]
    rank: Ranker

    @property
    def cost_ms(self) -> float:
        """Modelled milliseconds of retrieval a search."""
        return sum(modelled_cost(arm, FULL_DEPTH) for arm in self.arms)


def baseline(name: str) -> Baseline:
    """``only:ARM``, ``rrf:ARM+ARM``, ``linear:ARM+ARM`` (``all`` for every arm), ``popularity``, ``static:ARM+ARM``.

    Raises:
        BadInput: it is none of these.
    """
    if name == "popularity":
        return Baseline(name, (), _popular)
    kind, _, which = name.partition(":")
    arms = ARMS if which == "all" else tuple(which.split("+"))
    makers: dict[str, Callable[[tuple[str, ...]], Ranker]] = {
        "only": lambda arms: lambda seen: seen.found[arms[0]].ordinals,
        "rrf": lambda arms: lambda seen: _fused(seen, arms),
        "linear": lambda arms: lambda seen: _weighed(seen, arms),
        "static": lambda arms: lambda seen: _static(seen, arms),
    }
    if kind not in makers or not set(arms) <= set(ARMS) or (kind == "only" and len(arms) > 1):
        raise BadInput(
            f"unknown baseline {name!r}: use only:ARM, rrf:ARM+ARM, linear:ARM+ARM, static:ARM+ARM or popularity with "
            f"arms of {', '.join(ARMS)}",
            field="baselines",
        )
    return Baseline(name, arms, makers[kind](arms))


def static_baselines() -> tuple[Baseline, ...]:
    """Those that the oracle of static choices is made of."""
    return tuple(baseline(STATIC + "+".join(arms)) for arms in STATIC_SETS)


def _popular(seen: Seen) -> Ordinals:
    popularity = np.where(seen.columns.live, seen.columns.popularity, -1.0)
    depth = min(seen.depth, len(popularity))
    floor = np.partition(popularity, len(popularity) - depth)[len(popularity) - depth] if depth else 0.0
    rows = np.flatnonzero(popularity >= floor)
    return rows[np.argsort(-popularity[rows], kind="stable")].astype(np.int32)


def _fused(seen: Seen, arms: tuple[str, ...]) -> Ordinals:
    ordinals, scores = rrf([seen.found[arm].ordinals for arm in arms])
    return _ordered(ordinals, scores)


def _weighed(seen: Seen, arms: tuple[str, ...]) -> Ordinals:
    """Σ of the scores, each retriever's scaled to [0, 1] within the search, equal weights (convex combination)."""
    parts = [(seen.found[arm].ordinals, _scaled(seen.found[arm].scores)) for arm in arms]
    ordinals, where = np.unique(np.concatenate([part[0] for part in parts]), return_inverse=True)
    sums = np.bincount(where, np.concatenate([part[1] for part in parts]), minlength=len(ordinals))
    return _ordered(ordinals.astype(np.int32), sums.astype(np.float64))


def _scaled(scores: Scores) -> NDArray[np.float64]:
    if not len(scores):
        return np.empty(0)
    low, high = float(scores.min()), float(scores.max())
    return np.ones(len(scores)) if high == low else (scores.astype(np.float64) - low) / (high - low)


def _ordered(ordinals: Ordinals, scores: NDArray[np.float64]) -> Ordinals:
    return ordinals[np.lexsort((ordinals, -scores))]


def _static(seen: Seen, arms: tuple[str, ...]) -> Ordinals:
    """The platform's ranking had only ``arms`` played: no feature depends on which other retrievers did."""
    names, features = seen.scorer.names, seen.features.copy()
    for arm in set(ARMS) - set(arms):
        features[:, arm_columns(names, arm)] = np.nan
    kept = np.flatnonzero(brought(features, names))
    ordinals = seen.answer.candidates.ordinals[kept]
    rows = dedupe(ordinals, seen.scorer.score(features[kept]), seen.columns.dedupe_key[ordinals])
    return ordinals[rows][: seen.depth]

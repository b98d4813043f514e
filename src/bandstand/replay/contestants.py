"""What plays in a replay: policies, fixed sets of retrievers, and baselines read off one search in which all played."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandstand.bandit.policy import FIXED_ARMS, FULL_DEPTH, FixedPolicy, Policy
from bandstand.engine.ablation import without
from bandstand.engine.search import Answer
from bandstand.errors import BadInput
from bandstand.ranker.page import dedupe
from bandstand.retrievers.fusion import rrf
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import FeatureRows, Ordinals, Roster, Scores

LEARNED = ("bandit", "selective", "random")

BASELINES = (
    *(f"only:{name}" for name in BUILT_IN.names),
    "rrf:lexical+dense",
    "linear:lexical+dense",
    "rrf:all",
    "popularity",
)
"""Each retriever in its own order, fusions without a ranker, and what is popular for everybody."""

STATIC_SETS = tuple(
    dict.fromkeys(
        (
            *((name,) for name in BUILT_IN.names),
            *(BUILT_IN.names[:length] for length in range(2, len(BUILT_IN.names) + 1)),
            ("lexical", "dense"),
        )
    )
)
"""The static choices between which the oracle has its pick: each alone, the cheapest n, and the usual hybrid."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A policy by name: ``retrievers`` are those that it always plays, None where it decides by itself."""

    name: str
    retrievers: tuple[str, ...] | None

    def policy(self, named: Callable[[str], Policy]) -> Policy:
        """The policy object; ``named`` is the engine's own look-up."""
        if self.retrievers is None or self.name in FIXED_ARMS:
            return named(self.name)
        return FixedPolicy(name=self.name, depths=dict.fromkeys(self.retrievers, FULL_DEPTH))


def check_run(policies: tuple[str, ...], **counts: int | None) -> None:
    """What every run asks of its settings.

    Raises:
        BadInput: no policy or one twice, or a count that is below 1; names the field.
    """
    if not policies:
        raise BadInput("give at least one policy", field="policies")
    if len(set(policies)) < len(policies):
        raise BadInput("a policy is named twice", field="policies")
    for name, value in counts.items():
        if value is not None and value < 1:
            raise BadInput(f"{name} must be 1 or more, not {value}", field=name)


def contestant(name: str, roster: Roster = BUILT_IN, own: Collection[str] = ()) -> Contestant:
    """What a name means on a platform with the retrievers of ``roster`` and, by name, policies of its ``own``.

    A policy of the platform (``bandit``, ``selective``, ``random``, ``all``, ``lexical``, ...), a set of retrievers
    (``lexical+memory``), or all but some (``all-memory``).

    Raises:
        BadInput: it is none of these.
    """
    if name in FIXED_ARMS:
        return Contestant(name, FIXED_ARMS[name] or roster.names)
    if name in LEARNED or name in own:
        return Contestant(name, None)
    first, *without = name.split("-")
    retrievers = roster.names if first == "all" else tuple(first.split("+"))
    if unknown := sorted({*retrievers, *without} - {*roster.names}):
        known = ", ".join(dict.fromkeys((*LEARNED, *FIXED_ARMS, *own)))
        raise BadInput(
            f"unknown policy {name!r} ({unknown[0]!r}): use {known}, retrievers joined by + "
            f"({'+'.join(roster.names)}), or all- followed by those to leave out",
            field="policies",
        )
    return Contestant(name, tuple(each for each in roster.names if each in retrievers and each not in without))


STATIC = "static:"
"""Prefix of what the platform's ranker gives with a fixed set of retrievers; the oracle chooses from these."""


Ranker = Callable[[Answer, int], Ordinals]
"""Ordinals (n,), best first, of a search in which every retriever played, down to a depth."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """A ranking that needs no policy, the retrievers that it pays for, and modelled milliseconds of these a search."""

    name: str
    retrievers: tuple[str, ...]
    rank: Ranker
    cost_ms: float = 0.0


def baseline(name: str, roster: Roster = BUILT_IN) -> Baseline:
    """``only:ARM``, ``rrf:ARM+ARM``, ``linear:ARM+ARM`` (``all``: every one), ``popularity``, ``static:ARM+ARM``.

    Raises:
        BadInput: it is none of these.
    """
    if name == "popularity":
        return Baseline(name, (), _popular)
    kind, _, which = name.partition(":")
    retrievers = roster.names if which == "all" else tuple(which.split("+"))
    makers: dict[str, Callable[[tuple[str, ...]], Ranker]] = {
        "only": lambda retrievers: lambda answer, _: answer.retrieved.found[retrievers[0]].ordinals,
        "rrf": lambda retrievers: lambda answer, _: _fused(answer, retrievers),
        "linear": lambda retrievers: lambda answer, _: _weighed(answer, retrievers),
        "static": lambda retrievers: lambda answer, depth: _static(answer, retrievers, depth),
    }
    if kind not in makers or not set(retrievers) <= set(roster.names) or (kind == "only" and len(retrievers) > 1):
        raise BadInput(
            f"unknown baseline {name!r}: use only:ARM, rrf:ARM+ARM, linear:ARM+ARM, static:ARM+ARM or popularity with "
            f"arms of {', '.join(roster.names)}",
            field="baselines",
        )
    cost = sum(roster.modelled_cost(name, FULL_DEPTH) for name in retrievers)
    return Baseline(name, retrievers, makers[kind](retrievers), cost)


def static_baselines() -> tuple[Baseline, ...]:
    """Those that the oracle of static choices is made of."""
    return tuple(baseline(STATIC + "+".join(retrievers)) for retrievers in STATIC_SETS)


def _popular(answer: Answer, depth: int) -> Ordinals:
    popularity = np.where(answer.columns.live, answer.columns.popularity, -1.0)
    depth = min(depth, len(popularity))
    floor = np.partition(popularity, len(popularity) - depth)[len(popularity) - depth] if depth else 0.0
    rows = np.flatnonzero(popularity >= floor)
    return rows[np.argsort(-popularity[rows], kind="stable")].astype(np.int32)


def _fused(answer: Answer, retrievers: tuple[str, ...]) -> Ordinals:
    ordinals, scores = rrf([answer.retrieved.found[name].ordinals for name in retrievers])
    return _ordered(ordinals, scores)


def _weighed(answer: Answer, retrievers: tuple[str, ...]) -> Ordinals:
    """Σ of the scores, each retriever's scaled to [0, 1] within the search, equal weights (convex combination)."""
    parts = [(found.ordinals, _scaled(found.scores)) for found in map(answer.retrieved.found.__getitem__, retrievers)]
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


def _static(answer: Answer, retrievers: tuple[str, ...], depth: int) -> Ordinals:
    """The platform's ranking had only ``retrievers`` played: no feature depends on which other retrievers did."""
    every = FeatureRows(answer.scorer.layout, answer.head.whole.features)
    left = without(every, answer.retrieved.found.keys() - set(retrievers))
    kept = np.flatnonzero(left.brought())
    ordinals = answer.head.whole.ordinals[kept]
    rows = dedupe(ordinals, answer.scorer.score(left.values[kept]), answer.columns.dedupe_key[ordinals])
    return ordinals[rows][:depth]

"""What plays in a replay: the platform's policies, fixed sets of retrievers, and the names of the baselines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bandstand.bandit.policy import FIXED_ARMS, FULL_DEPTH, FixedPolicy, Policy
from bandstand.errors import BadInput
from bandstand.types import ARMS

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

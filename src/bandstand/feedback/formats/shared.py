"""What several formats share: decisions that were really choices, and names in fields that end at a blank."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import quote, unquote

from bandstand.feedback.joined import Joined
from bandstand.types import DEPTHS, ArmDecision

Reward = Callable[[Joined, str], float]
"""The reward, at most 1, of one arm in one search."""


def page_reward(search: Joined, arm: str) -> float:
    """The whole search's reward in [0, 1], the same for every arm: unbiased for off-policy evaluation.

    Learning wants the difference that the arm made; who can compute it (it takes the ranker) passes it instead.
    """
    del arm
    return search.outcome().reward


def choices(search: Joined) -> Iterator[ArmDecision]:
    """The arms whose depth was drawn from a logged distribution over `DEPTHS`; fixed policies have none."""
    for arm in search.impression.decision.arms:
        if len(arm.probabilities) == len(DEPTHS) and arm.depth in DEPTHS:
            yield arm


_SAFE = "!\"$&'()*+,-./:;<=>?@[\\]^_`{|}~"


def token(name: str) -> str:
    """The name without blanks, ``%`` or ``#``; other characters of ASCII stay as they are."""
    return quote(name, safe=_SAFE)


def name_of(written: str) -> str:
    """The name that `token` wrote."""
    return unquote(written)

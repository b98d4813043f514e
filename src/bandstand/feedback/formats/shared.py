"""What several formats share: decisions that were really choices, and names in fields that end at a blank."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote, unquote

from bandstand.feedback.joined import Joined
from bandstand.types import DEPTHS, ArmDecision


def choices(search: Joined) -> Iterator[ArmDecision]:
    """The arms whose depth was drawn from a logged distribution over `DEPTHS`.

    Fixed policies have none, nor have searches of another system, whose distributions are unknown.
    """
    decision = search.impression.decision
    for arm in decision.arms if decision.known else ():
        if len(arm.probabilities) == len(DEPTHS) and arm.depth in DEPTHS:
            yield arm


_SAFE = "!\"$&'()*+,-./:;<=>?@[\\]^_`{|}~"


def token(name: str) -> str:
    """The name without blanks, ``%`` or ``#``; other characters of ASCII stay as they are."""
    return quote(name, safe=_SAFE)


def name_of(written: str) -> str:
    """The name that `token` wrote."""
    return unquote(written)

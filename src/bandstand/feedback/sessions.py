"""Searches that belong together: a quick second wording is a failure, and what it found belongs to the first too."""

from __future__ import annotations

from rapidfuzz import fuzz

from bandstand.feedback.rewards import DEFAULT_WEIGHTS, RewardWeights
from bandstand.types import Query

_QUICK_SECONDS = 60.0
_SIMILAR = 60.0
"""`rapidfuzz.fuzz.ratio` from which two wordings count as one intent: "sigor ros", "sigur rós" have 89."""


def follows_quickly(previous: Query, current: Query, seconds: float) -> bool:
    """Whether it is the same session's next attempt, with another text, within ``seconds``."""
    if previous.session_id is None or previous.session_id != current.session_id:
        return False
    if not previous.normalized or not current.normalized or previous.normalized == current.normalized:
        return False
    return 0.0 <= current.time - previous.time <= seconds


def is_reformulation(previous: Query, current: Query, seconds: float = _QUICK_SECONDS) -> bool:
    """Whether ``current`` says the same as ``previous`` in other words, within ``seconds`` and one session.

    The same intent is a shared word or a similar spelling; the same text again is a repetition or another page.
    """
    if not follows_quickly(previous, current, seconds):
        return False
    shared = set(previous.normalized.split()) & set(current.normalized.split())
    return bool(shared) or fuzz.ratio(previous.normalized, current.normalized) >= _SIMILAR


def relabel_share(previous: Query, current: Query, weights: RewardWeights = DEFAULT_WEIGHTS) -> float:
    """How far the success of ``current`` also answers the failed ``previous`` search; 0 where it does not.

    Another wording counts ``weights.relabelled``. A nickname or words of a lyric have nothing in common with the title
    that somebody then types: a quick next search of the session without a common word counts ``weights.unlike``,
    little enough that it takes several people to be believed.
    """
    if is_reformulation(previous, current):
        return weights.relabelled
    return weights.unlike if follows_quickly(previous, current, _QUICK_SECONDS) else 0.0

"""Learning which next searches are still after the same thing, without anybody who says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bandstand.feedback.behaviour import is_strong
from bandstand.feedback.calibration import Calibration, Floats, isotonic
from bandstand.feedback.classifier import Probability, grown
from bandstand.feedback.intent import INTENT_FEATURES, intent_features
from bandstand.feedback.session_log import SessionSearch
from bandstand.feedback.terminal import RETRIED_S
from bandstand.types import Impression, Matrix

ENOUGH_PAIRS = 150
"""Quick next searches after a failed one that the log must hold."""

_STRANGERS = 3
_RISING = ("shared", "ratio", "partial", "word_set", "found_before", "found_rank")

Pair = tuple[Impression, Impression]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedIntent:
    """The model, how many pairs taught it, and what ``share`` of them look alike beyond chance."""

    model: Probability
    pairs: int
    share: float


def intent_model(grouped: Sequence[Sequence[SessionSearch]], *, seed: int) -> TrainedIntent | None:
    """P(same intent | a failed search and the next one of its session); None where too few pairs are known.

    Next searches are a mixture: with share π after the same thing, else like those of strangers. Trees tell real pairs
    from pairs made of strangers, which gives the ratio r(x) of the two densities; then
    P(same | x) = 1 - (1 - π) / r(x), and 1 - π is r where no likeness is left (learning from positive and unlabelled
    data: Elkan & Noto, KDD 2008; mixture proportion: Scott, AISTATS 2015). A nickname looks like a stranger's query:
    such pairs get 0 here, which errs on the safe side.
    """
    real = [pair for session in grouped for pair in _retries(session)]
    if len(real) < ENOUGH_PAIRS:
        return None
    rng = np.random.default_rng([seed, 5])
    strange = _strangers(real, rng)
    features = _features([*real, *strange])
    labels = np.arange(len(features)) < len(real)
    learning = rng.random(len(features)) < 0.6
    trees = grown(features[learning], labels[learning], names=INTENT_FEATURES, seed=seed, rising=_RISING)
    scores, truth = trees.scores(features[~learning]), labels[~learning]
    rest = _unlike(scores[truth], scores[~truth])
    odds = isotonic(scores, truth)
    values = np.clip(1 - rest / np.maximum(_ratio(odds, float(truth.mean())), 1e-9), 0.0, 1.0)
    model = Probability(trees, Calibration(at=odds.at, value=tuple(values.tolist())))
    return TrainedIntent(model=model, pairs=len(real), share=1 - rest)


def _retries(session: Sequence[SessionSearch]) -> list[Pair]:
    """Failed searches with what was searched for next, in other words."""
    found = []
    for search in session:
        earlier, later = search.impression, search.following
        if later is None or any(is_strong(deed) for deed in search.deeds):
            continue
        quick = later.query.time - earlier.query.time <= RETRIED_S
        if quick and later.query.normalized != earlier.query.normalized:
            found.append((earlier, later))
    return found


def _strangers(real: Sequence[Pair], rng: np.random.Generator) -> list[Pair]:
    """Each earlier search with the later ones of other pairs."""
    found = []
    for at, (earlier, later) in enumerate(real):
        for other in rng.integers(len(real), size=_STRANGERS).tolist():
            stranger = real[other][1]
            if other != at and stranger.query.normalized != later.query.normalized:
                found.append((earlier, stranger))
    return found


def _features(pairs: Sequence[Pair]) -> Matrix:
    return np.concatenate([intent_features(*pair) for pair in pairs])


def _unlike(real: Floats, strange: Floats) -> float:
    """1 - π: how many of the real pairs lie where half of the strangers lie, over that half; at most 1.

    One more is imagined there: that none was seen does not mean that none ever looks like a stranger's.
    """
    cut = float(np.median(strange))
    inside = (np.count_nonzero(real <= cut) + 1) / (len(real) + 1)
    return float(min(1.0, inside / max((strange <= cut).mean(), 1e-9)))


def _ratio(odds: Calibration, share: float) -> Floats:
    """Density of real pairs over that of strangers at each point, where a ``share`` of the sample is real."""
    p = np.clip(np.array(odds.value), 1e-6, 1 - 1e-6)
    return np.asarray(p / (1 - p) * (1 - share) / share, np.float64)

"""Training of the reward model and of the intent model before it, without anybody who says what was meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bandstand.errors import BadInput
from bandstand.feedback.behaviour import HIT_FEATURES, SEARCH_FEATURES, hit_features, is_strong, search_features
from bandstand.feedback.classifier import Probability, auc, grown, smoothed
from bandstand.feedback.intent import INTENT_FEATURES, intent_features
from bandstand.feedback.joined import Joined
from bandstand.feedback.reward_model import RewardModel
from bandstand.feedback.sessions import RETRIED_S, Moment, SessionSearch, hit_moments, kept, search_moments, sessions
from bandstand.statistics import Calibration, Floats, calibration_error, reliability
from bandstand.types import Impression, Matrix
from bandstand.types.hashing import digest

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
    odds = smoothed(scores, truth)
    values = np.clip(1 - rest / np.maximum(_ratio(odds, float(truth.mean())), 1e-9), 0.0, 1.0)
    model = Probability(trees, Calibration(scores=odds.scores, frequencies=tuple(values.tolist())))
    return TrainedIntent(model=model, pairs=len(real), share=1 - rest)


def _retries(session: Sequence[SessionSearch]) -> list[Pair]:
    """Failed searches with what was searched for next, in other words."""
    found = []
    for search in session:
        earlier, later = search.impression, search.following
        if later is None or any(is_strong(interaction) for interaction in search.interactions):
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
    p = np.clip(np.array(odds.frequencies), 1e-6, 1 - 1e-6)
    return np.asarray(p / (1 - p) * (1 - share) / share, np.float64)


ENOUGH = 100
"""Moments of either outcome that the log must hold, of hits and of searches: with fewer the constants stay."""

_PRIOR = (9.0, 1.0)
"""Imagined long plays and saves that were the goal, and that were not, beside those that were counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedReward:
    """A model ready to be published.

    ``metrics``: moments and searches trained on; on sessions that neither trees nor calibration saw, ``*_ece``,
    ``*_auc`` and ``*_base`` (the share of positives) of hits and of searches.
    """

    model: RewardModel
    metrics: dict[str, float]
    data_range: tuple[float, float]


def train_reward(searches: Iterable[Joined], *, seed: int) -> TrainedReward:
    """Learn from the newest searches how they went; the same log and seed give the same model.

    Raises:
        BadInput: the log holds too few sessions that ended well or badly; the message says how many there are.
    """
    grouped = list(sessions(searches))
    flat = [search for session in grouped for search in session]
    hits = [moment for search in flat for moment in hit_moments(search)]
    pages = [moment for search in flat for moment in search_moments(search)]
    _check(hits, "hits")
    _check(pages, "searches")
    hit, hit_metrics = _fitted("hit", hits, _hit_row, HIT_FEATURES, seed)
    search, search_metrics = _fitted("search", pages, _search_row, SEARCH_FEATURES, seed)
    strong, content = kept(flat)
    intent = intent_model(grouped, seed=seed)
    times = [search.impression.query.time for search in flat]
    return TrainedReward(
        model=RewardModel(
            hit=hit,
            search=search,
            content=(content + _PRIOR[0]) / (strong + sum(_PRIOR)),
            intent=None if intent is None else intent.model,
        ),
        metrics={
            "searches": float(len(flat)),
            "sessions": float(len(grouped)),
            **hit_metrics,
            **search_metrics,
            **({} if intent is None else {"intent_pairs": float(intent.pairs), "intent_share": intent.share}),
        },
        data_range=(min(times), max(times)),
    )


def _check(moments: Sequence[Moment], what: str) -> None:
    good = sum(moment.label for moment in moments)
    bad = len(moments) - good
    if min(good, bad) < ENOUGH:
        raise BadInput(
            f"too little to learn a reward from: of {what}, {good} moments ended well and {bad} badly, {ENOUGH} of each"
            " are needed; until then the documented constants serve",
        )


def _hit_row(moment: Moment) -> Matrix:
    assert moment.row is not None
    return hit_features(moment.search.impression, moment.search.interactions[: moment.done], [moment.row])


def _search_row(moment: Moment) -> Matrix:
    return search_features(moment.search.impression, moment.search.interactions[: moment.done])


def _fitted(
    what: str, moments: Sequence[Moment], row: Callable[[Moment], Matrix], names: tuple[str, ...], seed: int
) -> tuple[Probability, dict[str, float]]:
    """Trees from three fifths of the sessions, the calibration from one, the verdict from one."""
    features = np.concatenate([row(moment) for moment in moments])
    labels = np.array([moment.label for moment in moments], np.bool_)
    fold = np.array([_fold(moment.search, seed) for moment in moments])
    trees = grown(features[fold < 3], labels[fold < 3], names=names, seed=seed)
    model = Probability(trees, smoothed(trees.scores(features[fold == 3]), labels[fold == 3]))
    held = fold == 4
    predicted = model(features[held])
    metrics = {
        f"{what}_moments": float(len(labels)),
        f"{what}_base": float(labels[held].mean()),
        f"{what}_ece": calibration_error(reliability(predicted, labels[held])),
        f"{what}_auc": auc(predicted, labels[held]),
    }
    return model, {name: value for name, value in metrics.items() if not np.isnan(value)}


def _fold(search: SessionSearch, seed: int) -> int:
    query = search.impression.query
    return int.from_bytes(digest(f"{seed}/{query.session_id or query.user_id or query.id}", 4)) % 5

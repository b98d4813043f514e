"""Training of the reward model: moments of sessions, calibrated on some sessions, judged on others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from bandstand.errors import BadInput
from bandstand.feedback.behaviour import HIT_FEATURES, SEARCH_FEATURES, hit_features, search_features
from bandstand.feedback.calibration import Reliability, isotonic, reliability
from bandstand.feedback.classifier import Probability, auc, grown
from bandstand.feedback.intent_training import intent_model
from bandstand.feedback.joined import Joined
from bandstand.feedback.reward_model import RewardModel
from bandstand.feedback.session_log import SessionSearch, sessions
from bandstand.feedback.terminal import Moment, hit_moments, kept, search_moments
from bandstand.types import Matrix

ENOUGH = 100
"""Moments of either outcome that the log must hold, of hits and of searches: with fewer the constants stay."""

_PRIOR = (9.0, 1.0)
"""Imagined long plays and saves that were the goal, and that were not, beside those that were counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedReward:
    """A model ready to be published.

    ``metrics``: moments and searches trained on; on sessions that neither trees nor calibration saw, ``*_ece``,
    ``*_auc`` and ``*_base`` (the share of positives) of hits and of searches. ``curves`` are the reliabilities there.
    """

    model: RewardModel
    metrics: dict[str, float]
    curves: dict[str, Reliability]
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
    hit, hit_metrics, hit_curve = _fitted("hit", hits, _hit_row, HIT_FEATURES, seed)
    search, search_metrics, search_curve = _fitted("search", pages, _search_row, SEARCH_FEATURES, seed)
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
        curves={"hit": hit_curve, "search": search_curve},
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
    return hit_features(moment.search.impression, moment.search.deeds[: moment.done], [moment.row])


def _search_row(moment: Moment) -> Matrix:
    return search_features(moment.search.impression, moment.search.deeds[: moment.done])


def _fitted(
    what: str, moments: Sequence[Moment], row: Callable[[Moment], Matrix], names: tuple[str, ...], seed: int
) -> tuple[Probability, dict[str, float], Reliability]:
    """Trees from three fifths of the sessions, the calibration from one, the verdict from one."""
    features = np.concatenate([row(moment) for moment in moments])
    labels = np.array([moment.label for moment in moments], np.bool_)
    fold = np.array([_fold(moment.search, seed) for moment in moments])
    trees = grown(features[fold < 3], labels[fold < 3], names=names, seed=seed)
    model = Probability(trees, isotonic(trees.scores(features[fold == 3]), labels[fold == 3]))
    held = fold == 4
    predicted = model(features[held])
    curve = reliability(predicted, labels[held])
    metrics = {
        f"{what}_moments": float(len(labels)),
        f"{what}_base": float(labels[held].mean()),
        f"{what}_ece": curve.ece,
        f"{what}_auc": auc(predicted, labels[held]),
    }
    return model, {name: value for name, value in metrics.items() if not np.isnan(value)}, curve


def _fold(search: SessionSearch, seed: int) -> int:
    query = search.impression.query
    name = f"{seed}/{query.session_id or query.user_id or query.id}"
    return int.from_bytes(blake2b(name.encode("utf-8", "replace"), digest_size=4).digest()) % 5

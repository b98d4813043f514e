"""Training of the retrieval gate: boosted trees, then isotonic calibration on scores of folds not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bandstand.bandit.context import Features
from bandstand.bandit.gate import (
    CALIBRATION,
    FEWEST,
    TREES,
    ArmCalibration,
    Calibrations,
    Matrix64,
    free_names,
    rows_of,
)
from bandstand.boosting import lightgbm
from bandstand.errors import BadInput
from bandstand.feedback.classifier import boosted
from bandstand.statistics import Calibration, calibration_error, isotonic, reliability
from bandstand.types import Roster
from bandstand.types.hashing import digest

if TYPE_CHECKING:
    from lightgbm import Booster


_FOLDS = 5
_ROUNDS = 80
_PRIOR = 5.0
"""How many labels of no help are spread over those of an arm, so that a handful of labels makes no certainty."""

Labels = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsefulLabel:
    """One search: what was known before any expensive arm was asked, and by arm whether it helped and the gain.

    An arm of which the search says nothing, since it did not exist then, is in neither. ``group`` names the query: its
    searches are never on both sides of a fold. ``weight`` is what it counts.
    """

    context: Features
    hit_rates: dict[str, float]
    useful: dict[str, bool]
    gains: dict[str, float]
    group: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedGate:
    """A model ready to be published, with how well it is calibrated on searches that it was not trained on.

    ``held_out`` float64 (n, len(arms)) are these probabilities, one row a label; NaN where a label knows nothing of an
    arm.
    """

    arms: tuple[str, ...]
    trees: bytes
    calibration: bytes
    metrics: dict[str, float]
    held_out: Matrix64

    def files(self) -> dict[str, bytes]:
        """What to publish."""
        return {TREES: self.trees, CALIBRATION: self.calibration}


@dataclass(frozen=True, slots=True)
class _Data:
    """Rows (n, f), whether the arm helped (n,), weights (n,), numbers in ``names`` (n,) and folds (n,) of arms.

    ``known`` bool (searches, len(names)) says of which pairs of search and arm these n rows are.
    """

    names: tuple[str, ...]
    known: Labels
    rows: Matrix64
    useful: Labels
    weights: Matrix64
    arms: NDArray[np.intp]
    folds: NDArray[np.intp]


def train_gate(labels: Sequence[UsefulLabel], roster: Roster, *, seed: int = 0) -> TrainedGate:
    """Train on labelled searches; the same labels and seed give the same model.

    The first label's context says which features are learned from: it should be one of this roster.

    The trees learn each search twice: as it is known when the free arms have answered, and (``early``) when only the
    memory has. Isotonic regression (Zadrozny & Elkan 2002) maps out-of-fold scores to frequencies, by arm and moment.
    The reported calibration error is of searches that neither trees nor calibration were fitted on.

    Raises:
        BadInput: fewer than `FEWEST` searches, or no arm ever helped, or always.
        ModelError: LightGBM failed.
    """
    if len(labels) < FEWEST:
        raise BadInput(f"{len(labels)} labelled searches are too few to learn from: at least {FEWEST} are needed")
    names = free_names(labels[0].context, roster)
    arms = tuple(arm for arm in roster.expensive if any(arm in label.useful for label in labels))
    full, early = _data(labels, names, arms, early=False), _data(labels, names, arms, early=True)
    if full.useful.all() or not full.useful.any():
        raise BadInput("no expensive arm helped in any labelled search, or all in each: nothing to tell apart")
    scores, early_scores = np.empty(len(full.rows)), np.empty(len(full.rows))
    for fold in range(_FOLDS):
        out = full.folds == fold
        if out.any() and not out.all():
            booster = _boost(full, early, ~out, seed)
            scores[out], early_scores[out] = booster.predict(full.rows[out]), booster.predict(early.rows[out])
    gains = _gains(labels, arms)
    fitted = Calibrations(
        names=names,
        full=_calibrations(full, scores, gains),
        early=_calibrations(early, early_scores, gains),
    )
    whole = _boost(full, early, np.ones(len(full.rows), np.bool_), seed)
    return TrainedGate(
        arms=arms,
        trees=whole.model_to_string().encode(),
        calibration=msgspec.json.encode(fitted),
        **_judged(full, _cross_calibrated(full, scores)),
    )


def _data(labels: Sequence[UsefulLabel], names: Sequence[str], arms: tuple[str, ...], *, early: bool) -> _Data:
    known = np.array([[arm in label.useful for arm in arms] for label in labels], np.bool_)
    rows = np.concatenate([rows_of(label.context, label.hit_rates, names, arms, early=early) for label in labels])
    each = known.sum(axis=1)
    return _Data(
        names=arms,
        known=known,
        rows=rows[known.ravel()],
        useful=np.array([label.useful[arm] for label in labels for arm in arms if arm in label.useful], np.bool_),
        weights=np.repeat([label.weight for label in labels], each),
        arms=np.nonzero(known)[1],
        folds=np.repeat([digest(label.group, 2)[0] % _FOLDS for label in labels], each),
    )


def _boost(full: _Data, early: _Data, kept: Labels, seed: int) -> Booster:
    data = lightgbm().Dataset(
        np.concatenate([full.rows[kept], early.rows[kept]]),
        label=np.tile(full.useful[kept], 2).astype(np.float64),
        weight=np.tile(full.weights[kept], 2),
        categorical_feature=[full.rows.shape[1] - 2],
        params={"verbose": -1},
    )
    return boosted(data, _ROUNDS, seed=seed, learning_rate=0.08, lambda_l2=5.0, feature_fraction=0.7)


def _calibrations(data: _Data, scores: Matrix64, gains: dict[str, float]) -> dict[str, ArmCalibration]:
    found = {}
    for number, arm in enumerate(data.names):
        fitted = _shrunk(data, scores, data.arms == number)
        found[arm] = ArmCalibration(scores=fitted.scores, frequencies=fitted.frequencies, gain=gains[arm])
    return found


def _shrunk(data: _Data, scores: Matrix64, mine: Labels) -> Calibration:
    """`isotonic` with `_PRIOR` labels of no help spread over all scores."""
    weights = data.weights[mine]
    fitted = isotonic(scores[mine], data.useful[mine], weights)
    shrink = float(weights.sum() / (weights.sum() + _PRIOR))
    return msgspec.structs.replace(fitted, frequencies=tuple(shrink * each for each in fitted.frequencies))


def _cross_calibrated(data: _Data, scores: Matrix64) -> Matrix64:
    """Each row's probability by a calibration that was fitted on the other folds."""
    found = np.zeros(len(scores))
    for fold in range(_FOLDS):
        for number in range(len(data.names)):
            mine, out = data.arms == number, data.folds == fold
            if (mine & out).any() and (mine & ~out).any():
                found[mine & out] = _shrunk(data, scores, mine & ~out)(scores[mine & out])
    return found


def _judged(data: _Data, probabilities: Matrix64) -> dict[str, Any]:
    """Metrics, and the probabilities by label."""
    metrics: dict[str, float] = {"searches": float(len(data.known))}
    for number, arm in enumerate(data.names):
        mine = data.arms == number
        metrics |= {
            f"{arm}_helped": float(data.useful[mine].mean()),
            f"{arm}_ece": calibration_error(reliability(probabilities[mine], data.useful[mine])),
            f"{arm}_brier": float(np.mean((probabilities[mine] - data.useful[mine]) ** 2)),
        }
    held_out = np.full(data.known.shape, np.nan)
    held_out[data.known] = probabilities
    return {"metrics": metrics, "held_out": held_out}


def _gains(labels: Sequence[UsefulLabel], arms: Sequence[str]) -> dict[str, float]:
    """By arm, the mean gain where it helped; 0.5 where it never did."""
    found = {}
    for arm in arms:
        gains = [label.gains[arm] for label in labels if label.useful.get(arm)]
        found[arm] = float(np.mean(gains)) if gains else 0.5
    return found

"""The retrieval gate: the calibrated probability that an expensive retriever is useful, before any of them is asked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from bandstand.bandit.context import COUNT, P_USEFUL, Features, answer_names, query_features
from bandstand.boosting import lightgbm
from bandstand.errors import ModelError
from bandstand.models.registry import ModelVersion
from bandstand.statistics import Calibration
from bandstand.types import Query, Roster

if TYPE_CHECKING:
    from lightgbm import Booster


FEWEST = 200
"""Labelled searches without which nothing is trained: what they would say about the rarest arm is luck. As many must be
people's before the gate decides where nobody asked for it: posed queries name titles, which every retriever finds, so
that a gate which knows no others skips what moods, commands and half a lyric need (ADR 26)."""

TREES, CALIBRATION = "model.txt", "calibration.json"

_NOT_FREE = frozenset((P_USEFUL, "arm_cost", "arm_yield", "candidates"))

_QUERY_NAMES = frozenset(name for name, _ in query_features(Query(id="", text="", normalized=""), has_history=False))

Matrix64 = NDArray[np.float64]


class ArmCalibration(Calibration, frozen=True, kw_only=True):
    """How often one arm helped by its score, and ``gain``, the mean rise of the reciprocal rank where it did."""

    gain: float


class Calibrations(msgspec.Struct, frozen=True, kw_only=True):
    """What is published beside the trees: the features' ``names``, and calibrations by arm and moment."""

    names: tuple[str, ...]
    full: dict[str, ArmCalibration]
    early: dict[str, ArmCalibration]
    version: int = 1


class RetrievalGate:
    """One version of the model; immutable, and safe for threads.

    ``proven`` says whether it learned from enough of people's searches to decide where nobody asked for it. It knows
    the arms that were expensive when it was trained: of one that came since it says nothing.

    Raises:
        ModelError: the version is damaged.
    """

    def __init__(self, model: ModelVersion) -> None:
        self.version = model.version
        self.proven = model.card.metrics.get("logged", 0.0) >= FEWEST
        self._booster = _load(model)
        fitted = _read(model)
        self.names, self.calibrations, self.early = fitted.names, fitted.full, fitted.early

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms that it knows, as they were numbered in training."""
        return tuple(self.calibrations)

    def p_useful(self, context: Features, hit_rates: Mapping[str, float], *, early: bool = False) -> dict[str, float]:
        """p_useful in [0, 1] of each arm that it knows: one call of LightGBM, some 0.1 ms.

        Args:
            context: What the first expensive arm's decision sees.
            hit_rates: Each arm's past yield.
            early: Whether only the query and the memory's answer are known yet.
        """
        rows = rows_of(context, hit_rates, self.names, self.arms, early=early)
        raw = np.asarray(self._booster.predict(rows, num_threads=1), np.float64)
        fitted = self.early if early else self.calibrations
        return {arm: float(fitted[arm](score)) for arm, score in zip(self.arms, raw.tolist(), strict=True)}

    def gain(self, arm: str) -> float:
        """How much the reciprocal rank rises, on average, where the arm helps."""
        return self.calibrations[arm].gain


def rows_of(
    context: Features,
    hit_rates: Mapping[str, float],
    names: Sequence[str],
    arms: Sequence[str],
    *,
    early: bool = False,
) -> Matrix64:
    """The model's input, float64 (len(arms), len(names) + 2): the context, the arm's number, its past yield."""
    known = dict(context)
    shared = [math.nan if early and not at_once(name) else known.get(name, math.nan) for name in names]
    return np.array([[*shared, number, hit_rates.get(arm, 0.5)] for number, arm in enumerate(arms)], np.float64)


def free_names(context: Features, roster: Roster) -> tuple[str, ...]:
    """The features of a context that no expensive arm has a part in, in order."""
    left = _NOT_FREE | answer_names(roster, roster.expensive)
    return tuple(name for name, _ in context if name not in left)


def at_once(name: str) -> bool:
    """Whether a feature is known as soon as the memory has answered."""
    return name in _QUERY_NAMES or name == f"{COUNT}memory" or name.startswith("memory_")


def _load(model: ModelVersion) -> Booster:
    try:
        return lightgbm().Booster(model_str=model.read(TREES).decode())
    except lightgbm().basic.LightGBMError as cause:
        raise ModelError(f"abstention {model.version} is no LightGBM model: run `bandstand train`") from cause


def _read(model: ModelVersion) -> Calibrations:
    damaged = ModelError(f"abstention {model.version} is damaged: run `bandstand train`")
    try:
        found = msgspec.json.decode(model.read(CALIBRATION), type=Calibrations)
    except (msgspec.MsgspecError, ValueError) as cause:
        raise damaged from cause
    if found.full.keys() != found.early.keys():
        raise damaged
    return found

"""How often decisions were right, by retriever and class of query, and what always asking everything wastes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandstand.bandit.cost import EXPENSIVE
from bandstand.bandit.gate_training import calibration_error, reliability
from bandstand.replay.intervals import UserBootstrap, interval
from bandstand.replay.selective.audit import Audits
from bandstand.replay.selective.choice import Plays, missed_alone, truth

Json = dict[str, Any]


def accuracy(audits: Audits, plays: Plays, bootstrap: UserBootstrap) -> Json:
    """The share of decisions that played an arm where it helped and left it out where not; all, by arm, by class.

    ``helped_played`` is the share of helpful calls that were made, ``idle_skipped`` that of useless ones not made.
    """
    right = plays == truth(audits)
    everywhere = right.mean(axis=1)
    return {
        "all": _bounded(everywhere, bootstrap),
        "by_arm": {
            arm: {**_bounded(right[:, at].astype(np.float64), bootstrap), **_kinds(audits, plays, at)}
            for at, arm in enumerate(EXPENSIVE)
        },
        "by_class": {
            name: {
                **_bounded(everywhere, bootstrap, audits.classes == name),
                "by_arm": {arm: float(right[audits.classes == name, at].mean()) for at, arm in enumerate(EXPENSIVE)},
            }
            for name in np.unique(audits.classes).tolist()
        },
    }


def wasted(audits: Audits, bootstrap: UserBootstrap) -> Json:
    """The share of always-on's expensive calls that did not help: after the cheaper ones that did, and beside all."""
    ordered, alone = ~truth(audits), ~missed_alone(audits)
    return {
        "all": _bounded(ordered.mean(axis=1), bootstrap),
        "beside_all_others": _bounded(alone.mean(axis=1), bootstrap),
        "by_arm": {arm: _bounded(ordered[:, at].astype(np.float64), bootstrap) for at, arm in enumerate(EXPENSIVE)},
    }


def calibration(audits: Audits) -> Json:
    """By arm: the reliability curve of the estimates, and the expected calibration error."""
    helped, found = truth(audits), {}
    for at, arm in enumerate(EXPENSIVE):
        curve = reliability(audits.helps[:, at], helped[:, at])
        found[arm] = {
            "ece": calibration_error(curve),
            "bins": [(each.predicted, each.observed, each.count) for each in curve],
        }
    return found


def _kinds(audits: Audits, plays: Plays, at: int) -> Json:
    helped, played = truth(audits)[:, at], plays[:, at]
    return {
        "helped": float(helped.mean()),
        "played": float(played.mean()),
        "helped_played": float(played[helped].mean()) if helped.any() else None,
        "idle_skipped": float((~played[~helped]).mean()) if not helped.all() else None,
    }


def _bounded(values: NDArray[np.float64], bootstrap: UserBootstrap, rows: NDArray[np.bool_] | None = None) -> Json:
    found = interval(values, bootstrap, rows)
    return {"value": found.value, "ci95": [found.low, found.high]}

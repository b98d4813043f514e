"""Off-policy evaluation against what is known: reference figures, misleading logs, real logs, coverage, a long log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bandstand.errors import BandstandError
from bandstand.replay.ope.assess import OpeSettings, assess
from bandstand.replay.ope.feedback import Feedback
from bandstand.replay.ope.result import OpeReport
from bandstand.replay.ope.sources import read_log
from bench.big_log import big_log_figures
from bench.coverage import coverage_figures
from bench.figures import Figure

CASES = ("digits", "digits_hard_tiny_ess", "digits_hard_plausible", "digits_hard_silent", "digits_hard_no_exploration")
COMPARED = {"ipw": "ipw", "snipw": "snipw", "dm": "dm", "dr": "dr", "sndr": "sndr"}
"""Our names and the reference's of the estimators that have no parameter."""


def oracle_figures(data: Path) -> list[Figure]:
    """The largest difference from the reference on every digits log, relative to it, by estimator."""
    worst = dict.fromkeys(COMPARED, 0.0)
    for case in CASES:
        said = json.loads((data / "ope" / f"{case}.json").read_text())["policies"]["stochastic"]["estimates"]
        report = _evaluated(data / "ope" / f"{case}.npz", "action_dist")
        for name, theirs in COMPARED.items():
            expected = said[theirs]["value"]
            ours = report.estimates[name].value
            assert ours is not None
            worst[name] = max(worst[name], abs(ours - expected) / max(abs(expected), 1e-12))
    note = f"largest over {len(CASES)} logs"
    return [
        Figure(name=f"ope: {name} against OBP", value=gap, unit="", aim=1e-9, note=note) for name, gap in worst.items()
    ]


def verdict_table(data: Path) -> str:
    """What is said of logs whose truth is known, and which of them are refused."""
    rows = [
        "| log | truth | answer | 95 % interval | effective rounds | verdict |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    rows += [_row(name, truth, report) for name, truth, report in _known(data)]
    return "\n".join(rows)


def ope_figures(data: Path, *, full: bool) -> list[Figure]:
    """The oracle, coverage of 500 logs (100 when short), and a log of a million searches (20,000)."""
    worlds, repeats, rows = (10, 500, 1_000_000) if full else (5, 100, 20_000)
    covered = coverage_figures(worlds=worlds, repeats=repeats, rounds=1_000)
    return [*oracle_figures(data), *covered, *big_log_figures(rows)]


def _known(data: Path) -> Iterator[tuple[str, float, OpeReport]]:
    for case in CASES:
        path = data / "ope" / f"{case}.npz"
        yield case, float(np.load(path)["ground_truth"]), _evaluated(path, "action_dist")
    for group in ("men", "women"):
        logs = [data / "obd" / policy / group / f"{group}.csv.gz" for policy in ("random", "bts")]
        truth = float(_feedback(logs[0], "random").reward.mean())
        yield f"Open Bandit Dataset, {group}: bts → random", truth, _evaluated(logs[1], "random")


def _row(name: str, truth: float, report: OpeReport) -> str:
    interval, value = report.headline.interval(), report.headline.value
    verdict = "answered" if report.verdict.enough else f"refused: {report.verdict.reasons[0]}"
    bounds = "" if interval is None else f"{interval.low:.4f} to {interval.high:.4f}"
    ess = f"{report.diagnostics.weights.ess:,.1f}"
    shown = "undefined" if value is None else f"{value:.4f}"
    return f"| {name} | {truth:.4f} | {report.answer} {shown} | {bounds} | {ess} | {verdict} |"


def _evaluated(path: Path, policy: str) -> OpeReport:
    return assess(_feedback(path, policy), policy=policy, settings=OpeSettings(seed=1))


def _feedback(path: Path, policy: str) -> Feedback:
    return read_log(path, policy, _unasked)


def _unasked(name: str) -> Any:  # noqa: ANN401
    raise BandstandError(f"{name} is no policy of a foreign log")

"""`bandstand ope` and `estimates`: what another policy would have earned on logged searches, if the log can say."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from bandstand.cli.common import HomeOption, JsonOption, opened, out, print_json, tell
from bandstand.cli.repeated import Repeated

if TYPE_CHECKING:
    from bandstand.dashboard.estimates import Estimates
    from bandstand.replay.ope.diagnostics import Diagnostics
    from bandstand.replay.ope.feedback import Feedback
    from bandstand.replay.ope.result import EstimateRow, OpeReport


def estimates(
    newest: Annotated[int, typer.Option(min=1, help="Entries at the log's end that are looked at.")] = 20_000,
    seed: Annotated[int, typer.Option(help="Seed of the resamples and of the reward model's folds.")] = 0,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Estimate every policy on the newest logged searches, and keep the answer for the dashboard."""
    from dataclasses import asdict

    from bandstand.app.training import judged
    from bandstand.dashboard.estimates import write_estimates
    from bandstand.replay.ope.assess import OpeSettings, estimate_all

    with opened(home) as music:
        storage = music.platform.storage
        found = estimate_all(
            judged(storage, newest=newest),
            music.platform.searching.serving().policies,
            now=storage.clock(),
            settings=OpeSettings(seed=seed),
            roster=music.platform.options.roster,
        )
        write_estimates(storage.paths.estimates, found)
    tell(asdict(found), _table(found), json=json)


def _table(found: Estimates) -> Table:
    table = Table(box=None, pad_edge=False, title=f"{found.searches:,} searches", title_justify="left")
    for column in ("policy", "reward a search", "95 % interval", "effective searches", "ms", "not enough data"):
        table.add_column(column, justify="left" if column in ("policy", "not enough data") else "right")
    for row in found.policies:
        interval = "" if row.low is None or row.high is None else f"{row.low:.4f} to {row.high:.4f}"
        table.add_row(
            row.policy, _shown(row.value, 4), interval, _shown(row.ess, 1), _shown(row.cost_ms, 2), row.reason
        )
    return table


def _shown(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def repeated(home: Path, made: Path, minutes: float) -> Repeated:
    """`bandstand estimates` for a home, again and again."""
    command = [sys.executable, "-c", "from bandstand.cli.main import main; main()", "estimates", "--home", str(home)]
    return Repeated(command, made=made, minutes=minutes)


def ope(
    log: Annotated[
        Path | None,
        typer.Argument(
            help="UBI documents; or, by its ending, .dsjson, .npz (Open Bandit Pipeline) or .csv[.gz] "
            "(Open Bandit Dataset). Without it, the home's log."
        ),
    ] = None,
    policy: Annotated[
        str,
        typer.Option(
            help="The policy whose value is asked for, by the names of replay; in a foreign log random, or the name of "
            "an array of distributions."
        ),
    ] = "all",
    arm: Annotated[str | None, typer.Option(help="Which retriever's table of an .npz with several.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the resamples and of the reward model's folds.")] = 0,
    report: Annotated[Path | None, typer.Option(help="Write the report, one HTML file.")] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Estimate from logged decisions what another policy would have earned, or say why that cannot be known."""
    from bandstand.replay.ope.assess import OpeSettings, assess
    from bandstand.replay.ope.result import result_of
    from bandstand.replay.summary import code_version

    feedback, dataset, sha256 = _rounds(log, policy, arm, home)
    found = assess(feedback, policy=policy, settings=OpeSettings(seed=seed))
    result = result_of(found, dataset=dataset, sha256=sha256, version=code_version())
    if report is not None:
        from bandstand.replay.evaluate import write_report

        write_report(result, report)
    if json:
        print_json(result)
    else:
        _show(found, result["answer"])


def _rounds(log: Path | None, policy: str, arm: str | None, home: Path | None) -> tuple[Feedback, str, str]:
    """The rounds of the log under the policy, the log's name, and its SHA-256.

    The home's own log is graded as its learning grades it, a file by the constants: it holds no reward model.
    """
    from bandstand.app.training import judged
    from bandstand.replay.ope.logs import log_to_feedback
    from bandstand.replay.ope.sources import read_log, sha256_of, sha256_of_rounds

    with opened(home, begin=log is not None) as music:
        roster = music.platform.options.roster
        if log is not None:
            window = music.settings.join_minutes * 60
            feedback = read_log(log, policy, music.policy, arm=arm, window=window, roster=roster)
            return feedback, log.name, sha256_of(log)
        feedback = log_to_feedback(judged(music.platform.storage), music.policy(policy), roster)
        return feedback, "the log of this home", sha256_of_rounds(feedback)


def _show(found: OpeReport, answer: str) -> None:
    out.print(answer)
    out.print()
    out.print(_estimates(found))
    out.print()
    for line in (*_guaranteed(found), *_diagnostics(found.diagnostics)):
        out.print(line)
    out.print(f"verdict: {found.verdict.headline}")
    remedy = () if found.verdict.enough else (found.verdict.remedy,)
    for line in (*found.verdict.reasons, *remedy, *found.verdict.warnings):
        out.print(f"- {line}")


def _estimates(found: OpeReport) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("reward a round", "value", "95 % interval", "parameter"):
        table.add_column(column, justify="left" if column == "reward a round" else "right", no_wrap=True)
    rows = {"as logged": found.logged, **found.estimates, "ahead of the log": found.gain}
    for name, row in rows.items():
        mark = " *" if name == found.answer else ""
        value = "undefined" if row.value is None else f"{row.value:.4f}"
        parameter = "" if row.parameter is None else f"{row.parameter:g}"
        table.add_row(f"{name}{mark}", value, _bounds(row, "bootstrap"), parameter)
    return table


def _guaranteed(found: OpeReport) -> Iterator[str]:
    """The intervals that promise their level for any distribution: at this n, and at every moment."""
    row = found.estimates["ipw"]
    bernstein = _bounds(row, "empirical_bernstein") or "none, as the largest weight is not known beforehand"
    sequence = _bounds(row, "confidence_sequence")
    yield f"ipw with a guarantee: empirical Bernstein {bernstein}; valid at any time {sequence}"


def _bounds(row: EstimateRow, method: str) -> str:
    bounds = row.bounds(method)
    return "" if bounds is None else f"{bounds[0]:.4f} to {bounds[1]:.4f}"


def _diagnostics(found: Diagnostics) -> Iterator[str]:
    """One line each: effective sample size, weight tail, overlap, calibration, propensities."""
    weights = found.weights
    promised = "" if weights.expected_ess is None else f" (the propensities promise {weights.expected_ess:,.1f})"
    yield f"effective sample size: {weights.ess:,.1f} of {weights.rounds:,} rounds{promised}"
    yield (
        f"weights: mean {weights.mean:.3f} (|mean - 1| = {weights.deviation:.3f}, by chance about"
        f" {weights.expected_deviation:.3f}), largest {weights.largest:.3g} with {weights.largest_share:.1%} of all,"
        f" heaviest hundredth of the rounds {weights.top_percent_share:.1%}"
    )
    if found.uncovered is None or found.explored is None:
        yield "overlap: unknown, as the logs keep no distributions"
    else:
        explored = f"they explored in {found.explored:.1%} of the rounds"
        yield f"overlap: {found.uncovered:.2%} of what the policy does was never done by the logs; {explored}"
    model = found.calibration
    fitted = (
        "none" if model is None else f"bias {model.bias:+.4f} ± {model.bias_error:.4f}, calibration {model.ece:.4f}"
    )
    yield f"reward model: {fitted}"
    worst = max(found.propensities, key=lambda check: abs(check.total - check.expected) / check.allowed)
    passed = sum(check.passed for check in found.propensities)
    yield (
        f"sum of 1 / p: {passed} of {len(found.propensities)} options fit; worst {worst.arm}[{worst.option}],"
        f" {worst.total:,.0f} where {worst.expected:,.0f} ± {worst.allowed:,.0f} are expected"
    )

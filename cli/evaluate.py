"""`bandstand replay`, `simulate` and `ope`: would it have been better? Answered before users have to find out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from bandstand.cli.common import HomeOption, JsonOption, opened_home, opened_storage, out, telling
from bandstand.errors import BadInput

if TYPE_CHECKING:
    from bandstand.bandit.policy import Policy
    from bandstand.replay.ope.report import OpeReport
    from bandstand.replay.ope.rounds import Feedback
    from bandstand.storage import Storage

PoliciesOption = Annotated[
    str | None, typer.Option(help="Names, separated by commas: bandit, all, lexical, lexical+memory, all-dense, ...")
]
LimitOption = Annotated[int | None, typer.Option(help="Count at most this many searches.")]
SeedOption = Annotated[int, typer.Option(help="Seed of everything random.")]
ReportOption = Annotated[Path | None, typer.Option(help="Write the report, one HTML file.")]
ResultOption = Annotated[Path | None, typer.Option("--json", help="Write the result as JSON.")]
FolderOption = Annotated[
    Path | None, typer.Option(help="Keep homes and results here; the same command then continues an interrupted run.")
]


def replay(
    dataset: Annotated[str, typer.Argument(help="lastfm, spotify, hot100, bandstand or generic; or compare.")],
    paths: Annotated[list[Path], typer.Argument(help="Its file or folder; with compare, two results (JSON).")],
    policies: PoliciesOption = None,
    since: Annotated[datetime | None, typer.Option("--from", help="Count searches from this day on (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option("--to", help="Count searches before this day (UTC).")] = None,
    limit: LimitOption = None,
    seed: SeedOption = 1,
    folder: FolderOption = None,
    report: ReportOption = None,
    result: ResultOption = None,
) -> None:
    """Play a data set in time order: answer first, then learn. `replay compare A B` sets two results side by side."""
    if dataset == "compare":
        _compare(paths, result)
        return
    from bandstand.replay.adapters.registry import adapter_named
    from bandstand.replay.evaluate import evaluate as run
    from bandstand.replay.settings import ReplaySettings

    if len(paths) != 1:
        raise BadInput("give one file or folder", field="paths")
    given = {"since": _unix(since), "until": _unix(until), "limit": limit, "policies": _names(policies)}
    settings = ReplaySettings(seed=seed, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    with telling() as told:
        found = run(
            adapter_named(dataset).open(paths[0]), settings, folder=folder, told=lambda job, done: told(job, done, None)
        )
    _finish(found, report, result)


def simulate(
    data: Annotated[Path, typer.Argument(help="Folder or file with spotify_songs.csv.gz.")],
    experiment: Annotated[str, typer.Option(help="default, long-tail, or another named experiment.")] = "default",
    policies: PoliciesOption = None,
    limit: LimitOption = None,
    seed: SeedOption = 1,
    folder: FolderOption = None,
    report: ReportOption = None,
    result: ResultOption = None,
) -> None:
    """Let listeners with known wishes meet the live engine, and see what it learns and what that costs."""
    from bandstand.replay.simulate.experiments import experiment_named
    from bandstand.replay.simulate.result import simulated
    from bandstand.replay.simulate.settings import SimulateSettings

    given = {"limit": limit, "policies": _names(policies)}
    settings = SimulateSettings(seed=seed, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    with telling() as told:
        found = simulated(data, experiment_named(experiment), settings, folder=folder, told=told)
    _finish(found, report, result)


def ope(
    log: Annotated[
        Path | None, typer.Argument(help="An export (ubi, or dsjson by that ending); without it, the home's log.")
    ] = None,
    policy: Annotated[str, typer.Option(help="The policy whose value is asked for.")] = "all",
    seed: SeedOption = 0,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Estimate from logged decisions what another policy would have earned, or say why that cannot be known."""
    from bandstand.replay.ope.evaluate import OpeSettings, assess

    with opened_storage(home) as storage, opened_home(storage) as searching:
        target = searching.engine.policy(policy)
        feedback = _feedback(storage, log, target)
    found = assess(feedback, policy=policy, settings=OpeSettings(seed=seed))
    if json:
        out.out(found.to_json())
    else:
        _show_ope(found)


def _feedback(storage: Storage, log: Path | None, policy: Policy) -> Feedback:
    """The decisions of a log, with what the policy would have done in each."""
    from bandstand.feedback.formats.dsjson import read_dsjson
    from bandstand.feedback.joined import joined
    from bandstand.replay.ope.inputs import searches_from_ubi
    from bandstand.replay.ope.logs import decisions_to_feedback, log_to_feedback

    window = storage.settings.join_minutes * 60
    if log is None:
        return log_to_feedback(joined(storage.log, window), policy)
    if not log.is_file():
        raise BadInput(f"there is no file {log}", field="log")
    with log.open("rb") as lines:
        if log.suffix == ".dsjson":
            return decisions_to_feedback(read_dsjson(lines), policy)
        return log_to_feedback(searches_from_ubi(lines, window=window), policy)


def _show_ope(found: OpeReport) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("", "reward a search", "95 % interval"):
        table.add_column(column, justify="right" if column else "left")
    rows = {"as logged": found.logged, f"{found.policy} ({found.answer})": found.headline}
    for name, row in rows.items():
        interval = row.interval()
        value = "undefined" if row.value is None else f"{row.value:.4f}"
        table.add_row(name, value, f"{interval.low:.4f} to {interval.high:.4f}" if interval else "none")
    out.print(table)
    weights = found.diagnostics.weights
    out.print(f"{found.rounds} searches, effective sample size {weights.ess:.0f}; verdict: {found.verdict.headline}")
    for line in (*found.verdict.reasons, *found.verdict.warnings):
        out.print(f"- {line}")


def _compare(paths: list[Path], result: Path | None) -> None:
    from bandstand.replay.compare import compare

    if len(paths) != 2:
        raise BadInput("give two results: bandstand replay compare a.json b.json", field="paths")
    found = compare(*paths)
    if result is not None:
        _write(found, result)
    for warning in found["warnings"]:
        out.print(f"Warning: {warning}", style="yellow")
    table = Table(box=None, pad_edge=False)
    for column in ("policy", "measure", "second less first", "p (Holm)", "cost, ms"):
        table.add_column(column)
    for row in found["differences"]:
        p = "" if row.get("p_holm") is None else f"{row['p_holm']:.3f}"
        table.add_row(row["policy"], row["measure"], f"{row['difference']:+.4f}", p, f"{row['cost_ms']:+.3f}")
    out.print(table)


def _finish(found: Mapping[str, Any], report: Path | None, result: Path | None) -> None:
    """Write what was asked for, and print the main table."""
    from bandstand.replay.evaluate import write_report

    if result is not None:
        _write(found, result)
    if report is not None:
        write_report(dict(found), report)
    policies: Mapping[str, Any] = found["policies"]
    measures = list(next(iter(policies.values()))["metrics"])
    table = Table(box=None, pad_edge=False)
    for column in ("policy", *measures, "cost, ms"):
        table.add_column(column, justify="left" if column == "policy" else "right")
    for name, policy in policies.items():
        cells = [_cell(policy["metrics"][measure]) for measure in measures]
        table.add_row(name, *cells, f"{policy['cost_ms']:.2f}")
    out.print(f"{found['dataset']}: {found['n_searches']} searches, seed {found['seed']}")
    out.print(table)


def _cell(metric: Mapping[str, Any]) -> str:
    return "-" if metric["value"] is None else f"{metric['value']:.3f}"


def _write(found: Mapping[str, Any], path: Path) -> None:
    from bandstand.replay.evaluate import write_json

    write_json(dict(found), path)


def _names(policies: str | None) -> tuple[str, ...] | None:
    return None if policies is None else tuple(name.strip() for name in policies.split(",") if name.strip())


def _unix(day: datetime | None) -> float | None:
    return None if day is None else day.replace(tzinfo=UTC).timestamp()

"""`bandstand replay` and `simulate`: would it have been better? Answered before users have to find out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from bandstand.cli.common import out, progress_shown
from bandstand.errors import BadInput


def selective(
    paths: list[Path], given: dict[str, Any], target: str | None, *, options: dict[str, str], folder: Path | None
) -> dict[str, Any]:
    """Play and look into a data set: the closed loop in a music catalogue, or ``NAME PATH`` of another in time order.

    ``given`` are settings by name, None where the command line said nothing; ``options`` those of the data set.

    Raises:
        BadInput: there is no such data set, or a setting cannot be used.
    """
    from bandstand.replay.selective.curve import SelectiveSettings, parse_target
    from bandstand.replay.selective.evaluate import evaluate_selective, source_of

    if len(paths) not in {1, 2}:
        raise BadInput("give the folder of spotify_songs, or a data set's name and its folder", field="paths")
    name = str(paths[0]) if len(paths) == 2 else "spotify"
    chosen = {key: value for key, value in given.items() if value is not None}
    settings = SelectiveSettings(target=None if target is None else parse_target(target), **chosen)
    with progress_shown() as progress:
        found = evaluate_selective(
            source_of(name, paths[-1], options),
            settings,
            folder=folder,
            progress=lambda job, done: progress(job, done, None),
        )
    _print(found)
    return found


def _print(found: dict[str, Any]) -> None:
    out.print(found["answer"])
    for policy, looked in found["looked_into"].items():
        table = Table("choice", "MRR@10", "less always", "cost, ms", "share", box=None, pad_edge=False, title=policy)
        for name, row in looked["choices"].items():
            table.add_row(
                name, f"{row['MRR@10']['value']:.4f}", f"{row['less_always']['difference']:+.4f}",
                f"{row['cost_ms']:.2f}", f"{row['cost_share']:.3f}",
            )  # fmt: skip
        out.print(table)
        out.print(f"decisions right: {looked['decisions']['as decided']['all']['value']:.3f}")
        if "target" in looked:
            found_at = looked["target"]
            text = ",".join(f"{arm}={value:.4f}" for arm, value in found_at["thresholds"].items())
            gap = found_at["less_always"]["difference"]
            out.print(f"BANDSTAND_SELECTIVE_THRESHOLDS={text}")
            out.print(f"on the other half: {gap:+.4f} MRR@10, {found_at['cost_share']:.3f} of the cost")


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
    dataset: Annotated[
        str, typer.Argument(help="lastfm, spotify, hot100, bandstand or generic; or compare; or selective.")
    ],
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Its file or folder; with compare, two results (JSON); with selective, the folder of spotify_songs for"
            " the closed loop, or a data set's name and its folder."
        ),
    ],
    policies: PoliciesOption = None,
    since: Annotated[datetime | None, typer.Option("--from", help="Count searches from this day on (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option("--to", help="Count searches before this day (UTC).")] = None,
    limit: LimitOption = None,
    seed: SeedOption = 1,
    target: Annotated[
        str | None, typer.Option(help="With selective: find the thresholds for quality=0.99 or cost=0.1 of always-on.")
    ] = None,
    recorded: Annotated[
        float | None,
        typer.Option(help="With selective: share of the searches recorded with and without. [default: 0.1]"),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="An option of the data set's protocol; may be given again."),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Play the policies on the workers of this Dask scheduler; needs --folder."
        ),
    ] = None,
    folder: FolderOption = None,
    report: ReportOption = None,
    result: ResultOption = None,
) -> None:
    """Play a data set in time order: answer first, then learn. `replay compare A B` sets two results side by side.

    `replay selective` shows what skipping expensive retrievers keeps and saves.
    """
    if dataset == "compare":
        _compare(paths, result)
        return
    if dataset == "selective":
        asked = {
            "policies": _names(policies), "searches": limit, "seed": seed, "ablation_share": recorded,
            "since": _unix(since), "until": _unix(until),
        }  # fmt: skip
        _keep(selective(paths, asked, target, options=_options(option), folder=folder), report, result)
        return
    from bandstand.replay.datasets.registry import adapter_named
    from bandstand.replay.evaluate import evaluate as run
    from bandstand.replay.settings import ReplaySettings

    if len(paths) != 1:
        raise BadInput("give one file or folder", field="paths")
    given = {"since": _unix(since), "until": _unix(until), "limit": limit, "policies": _names(policies)}
    settings = ReplaySettings(seed=seed, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    with progress_shown() as progress:
        found = run(
            adapter_named(dataset, **_options(option)).open(paths[0]),
            settings,
            folder=folder,
            progress=lambda job, done: progress(job, done, None),
            dask=dask,
        )
    _finish(found, report, result)


def simulate(
    data: Annotated[Path, typer.Argument(help="Folder or file with spotify_songs.csv.gz.")],
    experiment: Annotated[str, typer.Option(help="default, long-tail, or another named experiment.")] = "default",
    policies: PoliciesOption = None,
    limit: LimitOption = None,
    seed: SeedOption = 1,
    clicks: Annotated[str | None, typer.Option(help="Another click model: position, cascade or dbn.")] = None,
    jobs: Annotated[int, typer.Option(help="Policies that are played at a time, each in a process of its own.")] = 1,
    folder: FolderOption = None,
    report: ReportOption = None,
    result: ResultOption = None,
) -> None:
    """Let listeners with known wishes meet the live engine, and see what it learns and what that costs."""
    from bandstand.replay.simulate.evaluate import simulated
    from bandstand.replay.simulate.experiments import SimulateSettings, experiment_named

    given = {"limit": limit, "policies": _names(policies)}
    settings = SimulateSettings(seed=seed, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    with progress_shown() as progress:
        found = simulated(
            data, experiment_named(experiment, clicks=clicks), settings, folder=folder, jobs=jobs, progress=progress
        )
    _finish(found, report, result)


def _compare(paths: list[Path], result: Path | None) -> None:
    from bandstand.replay.evaluate import compare

    if len(paths) != 2:
        raise BadInput("give two results: bandstand replay compare a.json b.json", field="paths")
    found = compare(*paths)
    if result is not None:
        _write(found, result)
    for warning in found["warnings"]:
        out.print(f"Warning: {warning}", style="yellow")
    table = Table(box=None, pad_edge=False)
    for column in ("policy", "measure", "second less first", "95 %", "p (Holm)", "detectable", "cost, ms"):
        table.add_column(column, justify="left" if column in {"policy", "measure"} else "right")
    for row in found["differences"]:
        bounds = "" if row.get("low") is None else f"{row['low']:+.4f} to {row['high']:+.4f}"
        holm, least = _figure(row.get("p_holm"), ".3f"), _figure(row.get("detectable"), ".4f")
        table.add_row(
            row["policy"], row["measure"], _figure(row["difference"], "+.4f"), bounds, holm, least,
            _figure(row["cost_ms"], "+.3f"),
        )  # fmt: skip
    out.print(table)


def _keep(found: Mapping[str, Any], report: Path | None, result: Path | None) -> None:
    """Write the files that were asked for."""
    from bandstand.replay.evaluate import write_report

    if result is not None:
        _write(found, result)
    if report is not None:
        write_report(dict(found), report)


def _figure(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _finish(found: Mapping[str, Any], report: Path | None, result: Path | None) -> None:
    """Write what was asked for, and print the main table."""
    _keep(found, report, result)
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


def _options(given: list[str] | None) -> dict[str, str]:
    """What was given as ``NAME=VALUE``."""
    pairs = [each.partition("=") for each in given or []]
    if wrong := [name for name, equals, _ in pairs if not (name and equals)]:
        raise BadInput(f"{wrong[0]!r} is no option: write NAME=VALUE, e.g. groups=400", field="option")
    return {name: value for name, _, value in pairs}


def _unix(day: datetime | None) -> float | None:
    return None if day is None else day.replace(tzinfo=UTC).timestamp()

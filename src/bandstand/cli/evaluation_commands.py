"""`bandstand replay`, `simulate`, `selective`, `compare` and `evaluate`: is it better? Answered before users notice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from bandstand.cli.common import HomeOption, JsonOption, opened, out, plain, print_json, progress_shown
from bandstand.errors import BadInput

if TYPE_CHECKING:
    from bandstand.app.storage import Storage
    from bandstand.replay.judged import JudgedReport


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


TargetOption = Annotated[
    str | None, typer.Option(help="Find the thresholds for quality=0.99 or cost=0.1 of always-on.")
]
DatasetArgument = Annotated[
    str | None,
    typer.Argument(help="lastfm, spotify, hot100, bandstand or generic; without it, the home's own log and catalogue."),
]
FromOption = Annotated[datetime | None, typer.Option("--from", help="Count searches from this day on (UTC).")]
ToOption = Annotated[datetime | None, typer.Option("--to", help="Count searches before this day (UTC).")]
ProtocolOption = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="NAME=VALUE", help="An option of the data set's protocol; may be given again."),
]


def replay(
    dataset: DatasetArgument = None,
    path: Annotated[
        Path | None,
        typer.Argument(help="Its file or folder; a single log (bandstand, generic) is played on the home's catalogue."),
    ] = None,
    policies: PoliciesOption = None,
    since: FromOption = None,
    until: ToOption = None,
    limit: LimitOption = None,
    seed: SeedOption = 1,
    option: ProtocolOption = None,
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Play the policies on the workers of this Dask scheduler; needs --folder."
        ),
    ] = None,
    folder: FolderOption = None,
    report: ReportOption = None,
    result: ResultOption = None,
    home: HomeOption = None,
) -> None:
    """Play a data set in time order: answer first, then learn."""
    from bandstand.replay.datasets.home import chosen_dataset
    from bandstand.replay.evaluate import evaluate as run
    from bandstand.replay.settings import ReplaySettings

    given = _given(since=_unix(since), until=_unix(until), limit=limit, policies=_names(policies))
    settings = ReplaySettings(seed=seed, **given)
    with progress_shown() as progress, _data(home, folder) as (place, storage):
        found = run(
            chosen_dataset(dataset, path, storage, place / "data", _options(option)),
            settings,
            folder=folder and place,
            progress=lambda job, done: progress(job, done, None),
            dask=dask,
        )
    _finish(found, report, result)


@contextmanager
def _data(home: Path | None, folder: Path | None) -> Iterator[tuple[Path, Callable[[], Storage]]]:
    """The folder of a run, kept where it was given, and what opens the home where the run is of its own log."""
    from bandstand.replay.run import kept_or_scratch

    with kept_or_scratch(folder) as place, ExitStack() as used:
        yield place, lambda: used.enter_context(opened(home)).platform.storage


def compare(
    first: Annotated[
        str, typer.Argument(help="The JSON result of replay, simulate, selective or ope; or a policy, as in replay.")
    ],
    second: Annotated[str, typer.Argument(help="Another one; two policies are played on the home's own log.")],
    limit: LimitOption = None,
    seed: SeedOption = 1,
    folder: FolderOption = None,
    result: ResultOption = None,
    home: HomeOption = None,
) -> None:
    """Set two results side by side, or two policies on the home's own log: second less first.

    Of two results, for every policy that both have.
    """
    from bandstand.replay.evaluate import compare as set_side_by_side

    if any(Path(each).suffix == ".json" or Path(each).is_file() for each in (first, second)):
        found = set_side_by_side(Path(first), Path(second))
    else:
        found = _compared(first, second, limit=limit, seed=seed, folder=folder, home=home)
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


def _compared(
    first: str, second: str, *, limit: int | None, seed: int, folder: Path | None, home: Path | None
) -> dict[str, Any]:
    """Two policies over the home's own log."""
    from bandstand.replay.datasets.home import home_dataset
    from bandstand.replay.evaluate import compare_policies
    from bandstand.replay.settings import ReplaySettings

    settings = ReplaySettings(seed=seed, **_given(limit=limit))
    with progress_shown() as progress, _data(home, folder) as (place, storage):
        return compare_policies(
            home_dataset(storage(), place / "data"),
            first,
            second,
            settings,
            folder=place,
            progress=lambda job, done: progress(job, done, None),
        )


def selective(
    dataset: Annotated[
        str, typer.Argument(help="spotify for the closed loop in its music; or another data set of replay.")
    ],
    path: Annotated[Path, typer.Argument(help="Its file or folder.")],
    policies: PoliciesOption = None,
    since: FromOption = None,
    until: ToOption = None,
    limit: LimitOption = None,
    seed: SeedOption = 1,
    target: TargetOption = None,
    recorded: Annotated[
        float | None, typer.Option(help="Share of the searches recorded with and without. [default: 0.1]")
    ] = None,
    option: ProtocolOption = None,
    folder: FolderOption = None,
    report: ReportOption = None,
    result: ResultOption = None,
) -> None:
    """See what skipping expensive retrievers keeps and saves, beside what every choice of them would have shown."""
    from bandstand.replay.selective.choices import SelectiveSettings, evaluate_selective
    from bandstand.replay.selective.curve import parse_target

    given = _given(
        policies=_names(policies), searches=limit, ablation_share=recorded, since=_unix(since), until=_unix(until)
    )
    settings = SelectiveSettings(seed=seed, target=None if target is None else parse_target(target), **given)
    with progress_shown() as progress:
        found = evaluate_selective(
            dataset,
            path,
            settings,
            options=_options(option),
            folder=folder,
            progress=lambda job, done: progress(job, done, None),
        )
    _print(found)
    _keep(found, report, result)


def evaluate(
    file: Annotated[Path, typer.Argument(help="Judged queries: CSV, NDJSON, or with --queries TREC qrels.")],
    policies: Annotated[str, typer.Option(help="Names, separated by commas, as in replay.")] = "bandit",
    queries: Annotated[Path | None, typer.Option(help="With qrels: lines of query id, tab, query.")] = None,
    k: Annotated[int, typer.Option("-k", help="The cut-off of nDCG, MRR and success.")] = 10,
    seed: SeedOption = 1,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Measure policies and retrievers on judged queries in this home; nothing is logged or learned."""
    with opened(home) as music, progress_shown() as progress:
        found = music.evaluate(
            file, queries=queries, policies=_names(policies) or (), k=k, seed=seed, progress=progress
        )
    if json:
        print_json(found.to_dict())
    else:
        _show_judged(found)


def _show_judged(found: JudgedReport) -> None:
    measures = list(next(iter(found.rankings.values())).metrics)
    table = Table(box=None, pad_edge=False)
    for column in ("ranking", *measures, "retrieval, ms", "search, ms"):
        table.add_column(column, justify="left" if column == "ranking" else "right")
    for name, each in found.rankings.items():
        cells = [f"{each.metrics[measure].value:.3f}" for measure in measures]
        search = "" if each.search_ms is None else f"{each.search_ms.value:.2f}"
        table.add_row(name, *cells, f"{each.retrieval_ms.value:.2f}", search)
    out.print(f"{found.queries} judged queries, seed {found.seed}")
    out.print(table)
    for count, what in (
        (found.left_out, "queries were left out: nothing relevant was given"),
        (found.unknown, "relevant entities are not in the catalogue and count as missed"),
        (found.incomplete, "searches lacked a retriever that failed or was late"),
    ):
        if count:
            out.print(f"{count} {what}")


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
    from bandstand.replay.simulate.experiments import SimulateSettings, experiment_named
    from bandstand.replay.simulate.learning_curves import simulated

    settings = SimulateSettings(seed=seed, **_given(limit=limit, policies=_names(policies)))
    with progress_shown() as progress:
        found = simulated(
            data, experiment_named(experiment, clicks=clicks), settings, folder=folder, jobs=jobs, progress=progress
        )
    _finish(found, report, result)


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
    rejected = found.get("rejected", {"rows": 0, "reasons": []})
    if rejected["rows"]:
        out.print(plain(f"{rejected['rows']} rows could not be used:"))
        for reason in rejected["reasons"]:
            out.print(plain(f"- {reason}"))


def _cell(metric: Mapping[str, Any]) -> str:
    return "-" if metric["value"] is None else f"{metric['value']:.3f}"


def _write(found: Mapping[str, Any], path: Path) -> None:
    from bandstand.replay.evaluate import write_json

    write_json(dict(found), path)


def _given(**values: Any) -> dict[str, Any]:  # noqa: ANN401 - settings of several types
    """What the command line said; the settings know their own defaults."""
    return {name: value for name, value in values.items() if value is not None}


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

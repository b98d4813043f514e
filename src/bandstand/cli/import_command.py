"""`bandstand import`: start warm, by the searches and clicks that another system has logged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bandstand.cli.common import HomeOption, JsonOption, opened, plain, progress_shown, tell

if TYPE_CHECKING:
    from bandstand.replay.importing import ImportReport


def import_(
    logs: Annotated[list[Path], typer.Argument(help="CSV, TSV, NDJSON, Parquet or UBI 1.3; several are one log.")],
    mapped: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="FIELD=COLUMN",
            help="The column of time, query, user, session, clicked, position, dwell, action, search or id; given "
            "for each. COLUMN:ms: milliseconds; COLUMN:from0: places from 0. Default: import_map in bandstand.toml.",
        ),
    ] = None,
    answered: Annotated[
        int | None, typer.Option(min=0, help="How many of the latest searches ranker and bandit learn from. [20000]")
    ] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Learn from the log of another system, in order of time; interrupted, the same command goes on."""
    from bandstand.catalog.readers.mapping import pairs_of

    given = None if mapped is None else dict(pairs_of(mapped))
    with opened(home) as music, progress_shown() as progress:
        report = music.import_log(*logs, map=given, answered=answered, progress=progress)
    tell(asdict(report), *map(plain, _told(report)), json=json)
    if not report.actions:
        raise typer.Exit(1)  # nothing in the log is of this catalogue


def _told(report: ImportReport) -> Iterator[str]:
    yield f"{report.rows} rows: {report.searches} searches, {report.actions} actions on entities of the catalogue"
    yield f"{report.learned} actions were new and are learned; {report.answered} searches were answered anew"
    if report.repeated:
        yield f"{report.repeated} rows were there before"
    if report.unknown:
        yield f"{report.unknown} actions are on entities that the catalogue lacks, e.g. {', '.join(report.unknown_ids)}"
    for action, count in report.ignored.items():
        yield f"{count} times {action!r}, which teaches nothing"
    if report.rejected:
        yield f"{report.rejected} rows could not be used:"
    yield from (f"- {reason}" for reason in report.reasons)
    yield f"The ranker {report.ranker} is trained on it" if report.ranker else "Nothing new to train the ranker on"

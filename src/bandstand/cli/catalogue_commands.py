"""`bandstand ingest` and `bandstand index`: entities in, indexes up to date."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from itertools import islice
from json import loads
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bandstand.cli.common import (
    HomeOption,
    JsonOption,
    ProgressBars,
    err,
    opened,
    plain,
    progress_shown,
    tell,
)
from bandstand.settings import load_settings

if TYPE_CHECKING:
    from bandstand.catalog.ingest import IngestReport
    from bandstand.catalog.sync import SyncPlan
    from bandstand.door.facade import Bandstand
    from bandstand.learner.train_ranker import TrainingReport


def ingest(
    source: Annotated[
        str | None,
        typer.Argument(
            help="File, folder, subsonic://USER@HOST:PORT, or a database; without it, the bundled catalogue."
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="ndjson, csv, tsv, json, parquet, spotify-csv, lastfm-hetrec or library (of music);"
            " default: by its content.",
        ),
    ] = None,
    mapped: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FIELD=COLUMN", help="Where a table has a field; may be given again."),
    ] = None,
    kind: Annotated[str | None, typer.Option(help="The kind of rows of a table that say none.")] = None,
    unknown: Annotated[
        str | None, typer.Option(help="What becomes of a table's other columns: keep (default), refuse or ignore.")
    ] = None,
    query: Annotated[str | None, typer.Option(help="The SELECT that a database is to answer.")] = None,
    sync: Annotated[
        bool, typer.Option("--sync", help="Take the source for the truth: delete what it does not hold.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Agree to what --sync would delete.")] = False,
    if_empty: Annotated[bool, typer.Option("--if-empty", help="Do nothing when there are entities already.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on, and follow a music folder's changes.")] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Read entities into the catalogue. The same file twice changes nothing; interrupted, it continues."""
    asked: dict[str, Any] = {"format": form, "map": mapped or (), "kind": kind, "unknown": unknown, "query": query}
    asked |= {"sync": partial(_agreed, yes=yes)} if sync else {}
    with opened(home, begin=True, subsonic_password=_password(source, home)) as music:
        for _ in _occasions(source, watch=watch):
            with progress_shown() as progress:
                report = _ingested(music, source, asked, progress, needed=not (if_empty and len(music)))
            _tell(report, str(music.platform.storage.paths.rejects), json=json)
    if report.rejected and not report.read + report.skipped:
        raise typer.Exit(1)  # not one usable row: it was another format, or another file, that was meant


def _password(source: str | None, home: Path | None) -> str | None:
    """The password of a server's account, asked for where no setting has it and somebody is there to answer."""
    from bandstand.subsonic.address import is_address, parse_address

    if source is None or not is_address(source):
        return None
    settings, address = load_settings(home=home), parse_address(source)
    if settings.subsonic_password or settings.subsonic_api_key or not sys.stdin.isatty():
        return None
    return str(typer.prompt(f"Password of {address.user} at {address.url}", hide_input=True, err=True))


def _agreed(plan: SyncPlan, *, yes: bool) -> bool:
    """Whether to go on with a sync: agreed to beforehand, or by who is asked now."""
    if yes or not sys.stdin.isatty():
        return yes
    err.print(plain(str(plan)))
    return typer.confirm("Go on?", err=True)


def _occasions(source: str | None, *, watch: bool) -> Iterator[None]:
    """When to read: once, or whenever what is watched has changed, beginning now."""
    from bandstand.catalog.library.watch import changes

    if watch and source is not None:
        yield from changes(Path(source).expanduser())
    else:
        yield


def _tell(report: IngestReport, rejects: str, *, json: bool) -> None:
    tell(
        {**asdict(report), "rejects": rejects if report.rejected else None},
        f"{report.read} read, {report.changed} new or changed, {report.rejected} rejected"
        + (f", {report.removed} removed" if report.removed else ""),
        *(_first_rejected(Path(rejects), report.rejected) if report.rejected else ()),
        "Next: bandstand index",
        json=json,
    )


_SHOWN = 5
"""Rejected rows that are shown."""


def _first_rejected(rejects: Path, count: int) -> Iterator[str]:
    """The first rejected rows, each with its line and the reason, and where the others are."""
    with rejects.open("rb") as file:
        for row in map(loads, islice(file, _SHOWN)):
            yield plain(f"  line {row['line']}: {row['reason']}")
    yield f"The rejected rows and why: {rejects}" if count > _SHOWN else f"With the rows themselves: {rejects}"


def _ingested(
    music: Bandstand, source: str | None, asked: dict[str, Any], progress: ProgressBars, *, needed: bool
) -> IngestReport:
    from bandstand.catalog.bundled import load_bundled
    from bandstand.catalog.ingest import IngestReport

    if not needed:
        return IngestReport()
    entities = load_bundled() if source is None else source
    return music.ingest(entities, **asked, progress=lambda count: progress("entities", count, None))


def index(
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Throw the indexes away and build them anew.")] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Bring every index up to date; the first time also train the models by self-play."""
    with opened(home) as music, progress_shown() as progress:
        report = music.index(rebuild=rebuild, progress=progress)
    tell(
        {"entities": report.entities, "changes": report.changes, "ranker": _ranker(report.ranker)},
        f"{report.entities} entities are searchable ({report.changes} index changes)",
        'Next: bandstand search "…", or bandstand serve' if report.entities else "Next: bandstand ingest",
        json=json,
    )


def _ranker(report: TrainingReport | None) -> dict[str, object] | None:
    if report is None:
        return None
    return {"version": report.version, "examples": report.examples, "metrics": report.metrics}

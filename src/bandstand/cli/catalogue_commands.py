"""`bandstand ingest` and `bandstand index`: entities in, indexes up to date."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bandstand.cli.common import (
    HomeOption,
    JsonOption,
    ProgressBars,
    opened_home,
    opened_learning_side,
    opened_storage,
    out,
    print_json,
    progress_shown,
    settings_of,
)

if TYPE_CHECKING:
    from bandstand.app.learning import LearningSide
    from bandstand.app.storage import Storage
    from bandstand.catalog.ingest import IngestReport
    from bandstand.settings import Settings


def ingest(
    path: Annotated[Path | None, typer.Argument(help="File or folder; without it, the bundled catalogue.")] = None,
    form: Annotated[
        str | None, typer.Option("--format", help="ndjson, csv, spotify-csv or lastfm-hetrec; default: by its content.")
    ] = None,
    if_empty: Annotated[bool, typer.Option("--if-empty", help="Do nothing when there are entities already.")] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Read entities into the catalogue. The same file twice changes nothing; interrupted, it continues."""
    with opened_storage(home) as storage, progress_shown() as progress:
        report = _ingested(storage, path, form, progress, needed=not (if_empty and storage.store.count()))
        rejects = str(storage.paths.rejects) if report.rejected else None
    if json:
        figures = {name: getattr(report, name) for name in ("read", "changed", "rejected", "skipped", "seconds")}
        print_json({**figures, "rejects": rejects})
    else:
        out.print(f"{report.read} read, {report.changed} new or changed, {report.rejected} rejected")
        if rejects:
            out.print(f"The rejected rows and why: {rejects}")
        out.print("Next: bandstand index")
    if report.rejected and not report.read + report.skipped:
        raise typer.Exit(1)  # not one usable row: it was another format, or another file, that was meant


def _ingested(
    storage: Storage, path: Path | None, form: str | None, progress: ProgressBars, *, needed: bool
) -> IngestReport:
    from bandstand.catalog.bundled import load_bundled
    from bandstand.catalog.ingest import IngestReport
    from bandstand.catalog.ingest import ingest as run
    from bandstand.catalog.readers.registry import guess_reader, reader_named

    if not needed:
        return IngestReport()
    if path is None:
        entities = list(load_bundled())
        return IngestReport(read=len(entities), changed=storage.store.upsert(entities))
    return run(
        reader_named(form) if form else guess_reader(path),
        path,
        storage.store,
        rejects=storage.paths.rejects,
        resume=storage.paths.resume,
        progress=lambda report: progress("entities", report.read + report.skipped, None),
    )


def index(
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Throw the indexes away and build them anew.")] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Bring every index up to date; the first time also train the models by self-play."""
    if rebuild:
        _rebuild_catalogue(settings_of(home))
    with opened_storage(home) as storage, opened_learning_side(storage) as learning_side, progress_shown() as progress:
        if rebuild:
            learning_side.reset()
        learning_side.prepare(progress=progress)
        changes = learning_side.index(progress=progress)
        answer = {
            "entities": storage.store.count(),
            "changes": changes,
            "ranker": _first_ranker(storage, learning_side, progress),
        }
    if json:
        print_json(answer)
    else:
        out.print(f"{answer['entities']} entities are searchable ({changes} index changes)")
        out.print('Next: bandstand search "…", or bandstand serve' if answer["entities"] else "Next: bandstand ingest")


def _rebuild_catalogue(settings: Settings) -> None:
    """Before anything is opened: a catalogue of another version of the program could not be."""
    from bandstand.app.storage import open_backend

    with closing(open_backend(settings)) as backend:
        backend.rebuild_catalogue()


def _first_ranker(storage: Storage, learning_side: LearningSide, progress: ProgressBars) -> dict[str, object] | None:
    """The first ranker; None where there is one, or where the catalogue is too small to pose questions about."""
    from bandstand.errors import BadInput

    if not storage.settings.selfplay_queries or storage.models.pointer("ranker") is not None:
        return None
    try:
        with opened_home(storage) as searching:
            report = learning_side.train(searching, progress=progress)
    except BadInput:
        return None
    return {"version": report.version, "examples": report.examples, "metrics": report.metrics}

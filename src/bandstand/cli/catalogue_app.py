"""`bandstand catalogue`: what is in the catalogue, out of it into a file, and out of it for good."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from bandstand.cli.common import (
    FiltersOption,
    HomeOption,
    JsonOption,
    opened,
    out,
    plain,
    print_json,
    progress_shown,
    read_filters,
    tell,
)
from bandstand.errors import BadInput

app = typer.Typer(help="List, show, export and delete entities.", no_args_is_help=True)

KindOption = Annotated[list[str] | None, typer.Option(help="Only this kind; may be repeated.")]


@app.command("list")
def list_entities(
    limit: Annotated[int, typer.Option("-n", min=1, help="How many at most.")] = 20,
    kind: KindOption = None,
    filters: FiltersOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Entities in the order in which they first came in."""
    from bandstand.catalog.codec import entity_to_json

    with opened(home) as music:
        found = list(islice(music.entities(**_within(kind, filters)), limit))
    if json:
        print_json({"entities": [entity_to_json(entity) for entity in found]})
        return
    table = Table(box=None, pad_edge=False)
    for name in ("id", "kind", "title", "by", "year"):
        table.add_column(name)
    for entity in found:
        year = str(entity.year or "")
        table.add_row(*map(plain, (entity.id, entity.kind, entity.title, ", ".join(entity.artists), year)))
    out.print(table if found else "no such entity; bandstand ingest brings some in")


@app.command()
def show(
    entity_id: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")],
    home: HomeOption = None,
) -> None:
    """Everything that is known of one entity, as JSON."""
    from bandstand.catalog.codec import entity_to_json

    with opened(home) as music:
        print_json(entity_to_json(music.get(entity_id)))


@app.command()
def export(
    path: Annotated[Path, typer.Argument(help="File that ends in .ndjson, .csv (or .gz of these) or .parquet.")],
    kind: KindOption = None,
    filters: FiltersOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Write entities to a file, from which `ingest` makes the same entities again."""
    with opened(home) as music, progress_shown() as progress:
        count = music.export_catalogue(
            path, **_within(kind, filters), progress=lambda done: progress("entities", done, None)
        )
    tell({"entities": count, "path": str(path)}, f"{count} entities in {path}", json=json)


@app.command()
def delete(
    ids: Annotated[list[str] | None, typer.Argument(help="Ids, as `list` shows them.")] = None,
    kind: KindOption = None,
    filters: FiltersOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Agree to what kinds and filters name.")] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Take entities out: those that are named, or all that kinds and filters allow."""
    within = _within(kind, filters)
    if bool(ids) == bool(kind or filters):
        raise BadInput("name ids, or kinds and filters: `bandstand catalogue delete ID` or `--filters JSON`")
    with opened(home) as music:
        named = list(ids or ()) or [entity.id for entity in music.entities(**within)]
        if not ids and not _agreed(len(named), yes=yes):
            raise BadInput(f"{len(named)} entities would be deleted. Nothing was changed: agree with --yes")
        count = music.delete(*named)
    tell({"deleted": count}, f"{count} deleted", json=json)


def _agreed(count: int, *, yes: bool) -> bool:
    return yes or not count or (sys.stdin.isatty() and typer.confirm(f"Delete {count} entities?", err=True))


def _within(kind: list[str] | None, filters: str | None) -> dict[str, Any]:
    return {"kinds": tuple(kind or ()), "filters": read_filters(filters)}

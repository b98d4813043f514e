"""`bandstand memory`: what an operator pins, blocks or scores, and what is undone; every change stays in the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from bandstand.cli.common import HomeOption, JsonOption, learned, opened, out, plain, print_json

if TYPE_CHECKING:
    from bandstand.door.facade import Bandstand
    from bandstand.memory_index.curation import EditAction

app = typer.Typer(help="Pin, block or score what a query answers, and undo it.", no_args_is_help=True)

QueryArgument = Annotated[str, typer.Argument(help="The query.")]
EntityArgument = Annotated[str, typer.Argument(help="The entity's id.")]
NoteOption = Annotated[str, typer.Option(help="Why, for the record.")]


@app.command()
def pin(query: QueryArgument, entity_id: EntityArgument, note: NoteOption = "", home: HomeOption = None) -> None:
    """Let an entity stand first for a query."""
    with opened(home) as music:
        _edit(music, "pin", query, entity_id, note)


@app.command()
def block(query: QueryArgument, entity_id: EntityArgument, note: NoteOption = "", home: HomeOption = None) -> None:
    """Never show an entity for a query."""
    with opened(home) as music:
        _edit(music, "block", query, entity_id, note)


@app.command()
def score(
    query: QueryArgument,
    entity_id: EntityArgument,
    value: Annotated[float, typer.Argument(min=0.0, max=1.0, help="What the memory is to believe of it.")],
    note: NoteOption = "",
    home: HomeOption = None,
) -> None:
    """Replace what the memory believes of an entity for a query."""
    with opened(home) as music:
        _edit(music, "score", query, entity_id, note, score=value)


@app.command()
def undo(change: Annotated[str, typer.Argument(help="The change's id.")], home: HomeOption = None) -> None:
    """Undo a change; it stays on record."""
    from bandstand.learner.edits import UNDO_EDIT, undo_order

    with opened(home) as music:
        _order(music, UNDO_EDIT, undo_order(change, music.platform.storage.memory.scan))


@app.command()
def changes(home: HomeOption = None, json: JsonOption = False) -> None:
    """Every change, newest first, undone ones too."""
    from bandstand.memory_index.curation import all_edits

    with opened(home) as music:
        found = all_edits(music.platform.storage.memory.scan)
    if json:
        print_json([asdict(edit) for edit in found])
        return
    table = Table(box=None, pad_edge=False)
    for column in ("id", "query", "change", "of", "note", "holds"):
        table.add_column(column)
    for edit in found:
        action = edit.action if edit.score is None else f"{edit.action} {edit.score:g}"
        holds = "yes" if edit.undone is None else "undone"
        table.add_row(edit.id, plain(edit.query), action, plain(edit.entity_id), plain(edit.note), holds)
    out.print(table)


def _edit(
    music: Bandstand, action: EditAction, query: str, entity_id: str, note: str, *, score: float | None = None
) -> None:
    from bandstand.learner.edits import EDIT_MEMORY, edit_order

    storage = music.platform.storage
    edit = {"action": action, "query": query, "entity_id": entity_id, "score": score, "note": note}
    payload = edit_order({**edit, "by": "command line"}, storage.store.ordinals, now=storage.clock())
    _order(music, EDIT_MEMORY, payload)
    out.print(payload["id"])


def _order(music: Bandstand, kind: str, payload: Mapping[str, Any]) -> None:
    """Log an order, and carry it out here unless a server does."""
    music.platform.storage.log.append_control(kind, payload)
    learned(music)

"""`bandstand memory`: what an operator pins, blocks or scores, and what is undone; every change stays in the log."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

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
    from bandstand.errors import NotFound
    from bandstand.learner.edits import UNDO_EDIT
    from bandstand.memory_index.curation import all_edits

    with opened(home) as music:
        found = next((edit for edit in all_edits(music.platform.storage.memory.scan) if edit.id == change), None)
        if found is None:
            raise NotFound(f"there is no change {change!r}; `bandstand memory changes` lists them")
        _order(music, UNDO_EDIT, {"id": change, "query": found.query})


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
    from bandstand.catalog.text import normalize
    from bandstand.errors import BadInput, NotFound
    from bandstand.learner.edits import EDIT_MEMORY
    from bandstand.types import timed_id

    storage, normalized = music.platform.storage, normalize(query)
    if not normalized:
        raise BadInput("this query has no words: give it some", field="query")
    if int(storage.store.ordinals([entity_id])[0]) < 0:
        raise NotFound(f"there is no entity {entity_id!r}")
    made = timed_id(storage.clock())
    payload = {"id": made, "action": action, "query": normalized, "entity_id": entity_id, "score": score, "note": note}
    _order(music, EDIT_MEMORY, {**payload, "by": "command line"})
    out.print(made)


def _order(music: Bandstand, kind: str, payload: dict[str, object]) -> None:
    """Log an order, and carry it out here unless a server does."""
    music.platform.storage.log.append_control(kind, payload)
    learned(music)

"""`bandstand synonyms`: what words mean beside the catalogue's own names; running servers take changes up."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bandstand.cli.common import HomeOption, JsonOption, out, plain, print_json, tell
from bandstand.settings import load_settings

if TYPE_CHECKING:
    from bandstand.understanding.synonym_file import SynonymFile

app = typer.Typer(help="List, add and remove synonyms; undo what was changed.", no_args_is_help=True)

LineArgument = Annotated[str, typer.Argument(help="'phrase, phrase -> slot:value 0.8' or 'phrase = phrase'.")]


@app.command("list")
def list_synonyms(home: HomeOption = None, json: JsonOption = False) -> None:
    """All entries of the home's own table."""
    _say(_table(home).lines(), json=json)


@app.command()
def add(line: LineArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    """Let words mean something, or stand for each other."""
    _say(_table(home).add(line), json=json)


@app.command()
def remove(line: LineArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    """Take an entry out, as `list` shows it."""
    _say(_table(home).remove(line), json=json)


@app.command()
def changes(home: HomeOption = None, json: JsonOption = False) -> None:
    """What was added and removed, newest first, with the id by which `undo` knows it."""
    found = _table(home).changes()
    if json:
        print_json({"changes": [asdict(change) for change in found]})
        return
    for change in found:
        when = datetime.fromtimestamp(change.time, tz=UTC).isoformat(sep=" ", timespec="seconds")
        out.print(plain(f"{change.id}  {when}  {change.action}  {change.line}{'  (undone)' if change.undone else ''}"))


@app.command()
def undo(
    change: Annotated[str, typer.Argument(help="Its id, as `changes` shows it.")],
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Take a change back; that is a change itself."""
    _say(_table(home).undo(change), json=json)


def _table(home: Path | None) -> SynonymFile:
    from bandstand.app.storage import synonym_file

    return synonym_file(load_settings(home=home))


def _say(lines: list[str], *, json: bool) -> None:
    shown = "\n".join(map(plain, lines)) or "no synonyms of its own yet; the bundled ones are always in use"
    tell({"synonyms": lines}, shown, json=json)

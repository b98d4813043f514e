"""`bandstand users`: give people what is held of them."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
import typer

from bandstand.cli.common import HomeOption, JsonOption, opened, print_json

app = typer.Typer(help="Give people what is held of them.", no_args_is_help=True)


@app.callback()
def users() -> None:
    """Keep `export` a command of its own while it is the only one."""


@app.command()
def export(
    user_id: Annotated[str, typer.Argument(help="The user's id.")],
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Everything that is held of a user: searches, events, what was learned from them; one JSON object a line.

    With --json one document. docs/security.md says what it holds, and what is held of people at all.
    """
    from bandstand.app.disclosure import Disclosure

    with opened(home) as music:
        storage = music.platform.storage
        held = Disclosure(storage.log, storage.memory, storage.store).of(user_id)
        if json:
            print_json({"user_id": user_id, "held": list(held)})
            return
        for each in held:
            sys.stdout.write(msgspec.json.encode(each).decode() + "\n")

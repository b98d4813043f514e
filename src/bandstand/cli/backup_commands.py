"""`bandstand backup` and `restore`: a home's copy, made while it serves, and a home made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bandstand.cli.common import HomeOption, JsonOption, tell
from bandstand.settings import load_settings


def backup(
    folder: Annotated[Path, typer.Argument(help="A folder that is to hold it; it must not be there yet, or be empty.")],
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Copy the home, also while a server uses it; the copy is consistent and checked."""
    import time

    from bandstand.app.backup import back_up

    made = back_up(load_settings(home=home), folder, clock=time.time)
    size = sum((folder / name).stat().st_size for name in made.files)
    tell(
        {"folder": str(folder), "files": len(made.files), "bytes": size},
        f"{len(made.files)} files, {size / 1e6:.1f} MB in {folder}, checked",
        json=json,
    )


def restore(
    folder: Annotated[Path, typer.Argument(help="What `bandstand backup` has made.")],
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Make a home of a backup, where there is none yet."""
    from bandstand.app.backup import restore as made_home

    settings = load_settings(home=home)
    made = made_home(folder, settings)
    tell(
        {"home": str(settings.home), "files": len(made.files), "made": made.made, "bandstand": made.bandstand},
        f"{settings.home} is as it was then. Next: bandstand index, which makes the text index again",
        json=json,
    )

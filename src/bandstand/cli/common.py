"""What every command shares: the options, JSON output, progress, and the home opened for reading or writing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from bandstand.errors import BadInput
from bandstand.settings import load_settings

if TYPE_CHECKING:
    from bandstand.door.facade import Bandstand

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Folder that holds everything (BANDSTAND_HOME).", show_default=False)
]
FiltersOption = Annotated[
    str | None, typer.Option("--filters", metavar="JSON", help='As those of a search: {"genre": ["jazz"]}.')
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

# Titles may look like markup ("[untitled]", ":smile:") and are to be shown as they are.
out = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)

_CONTROL = {code: "\ufffd" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


def read_filters(text: str | None) -> dict[str, object]:
    """What the option says, as JSON has it.

    Raises:
        BadInput: it is no JSON object.
    """
    try:
        read = json.loads(text or "{}")
    except json.JSONDecodeError as cause:
        raise BadInput(f"--filters is not JSON: {cause}", field="filters") from cause
    if not isinstance(read, dict):
        raise BadInput('--filters must be a JSON object such as {"genre": ["jazz"]}', field="filters")
    return read


def plain(text: str) -> str:
    """Text from elsewhere without the control characters that could take over a terminal."""
    return text.translate(_CONTROL)


def print_json(value: object) -> None:
    """One JSON document on standard output, with escapes where that cannot carry every character."""
    ascii_only = not (sys.stdout.encoding or "").lower().startswith("utf")
    plain_values = msgspec.json.decode(msgspec.json.encode(value, enc_hook=lambda number: number.item()))  # of numpy
    sys.stdout.write(json.dumps(plain_values, ensure_ascii=ascii_only, indent=2) + "\n")


def tell(answer: object, *shown: object, json: bool) -> None:
    """What a command answers: as JSON, or as people are shown it."""
    if json:
        print_json(answer)
    else:
        for each in shown:
            out.print(each)


def ago(seconds: float | None) -> str:
    """An age for people; None: it never was."""
    return "never" if seconds is None else f"{timedelta(seconds=int(seconds))} ago"


class ProgressBars:
    """Progress bars by job, on standard error; nothing where that is not a terminal."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, job: str, done: int, of: int | None) -> None:
        """A job came so far; ``of`` is None where nobody knows how much there is."""
        if job not in self._tasks:
            self._tasks[job] = self._progress.add_task(job, total=of)
        self._progress.update(self._tasks[job], completed=done, total=of)


@contextmanager
def progress_shown() -> Iterator[ProgressBars]:
    """Show progress while the block runs."""
    columns = (TextColumn("{task.description:>12}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, disable=not err.is_terminal) as progress:
        yield ProgressBars(progress)


def opened(home: Path | None, *, begin: bool = False, **given: object) -> Bandstand:
    """The platform of a home, for a ``with`` block; nothing of it is opened before it is used.

    ``given`` are further settings.

    Raises:
        BadInput: there is no home, which was probably misspelt; not for what may ``begin`` one.
    """
    from bandstand.backend import Paths
    from bandstand.door.facade import Bandstand

    settings = load_settings(home=home, **given)
    paths = Paths(settings.home)
    begun = settings.backend != "embedded" or paths.catalog.exists() or paths.log.exists()
    if not (begin or begun):
        raise BadInput(
            f"there is no home in {settings.home}: correct --home or BANDSTAND_HOME, or begin one by bandstand ingest",
            field="home",
        )
    return Bandstand(settings)


def learned(music: Bandstand) -> bool:
    """Learn what the log holds; False where another process does that, such as a running server, or it is paused."""
    from bandstand.errors import Conflict
    from bandstand.learner.orders import is_paused

    try:
        music.learn()
    except Conflict:
        return False
    return not is_paused(music.platform.storage.memory.state)
